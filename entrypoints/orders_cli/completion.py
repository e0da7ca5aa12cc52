"""`orders completion`: the completion scripts of shells.

They are files of this package, generated from the parser by `make completion`.
"""

from importlib import resources

from orders_cli.exits import Exit


def print_completion(shell: str) -> int:
    """Print the completion script of a shell.

    Args:
        shell: `bash` or `zsh`.
    """
    script = resources.files("orders_cli").joinpath("completions", f"orders.{shell}")
    print(script.read_text(encoding="utf-8"), end="")
    return Exit.DONE
