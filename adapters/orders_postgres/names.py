"""How names are written in SQL."""


def quoted(name: str) -> str:
    """Quote a name, so that it stands for itself whatever it is."""
    return '"' + name.replace('"', '""') + '"'
