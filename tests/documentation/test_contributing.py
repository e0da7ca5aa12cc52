"""CONTRIBUTING names every folder and package, and only what exists."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
MAP: Final = PAGE.partition("## Where do I change something?")[2].partition("\n## ")[0]


def mapped() -> set[str]:
    """List what the first column of the map names; after a comma a folder's siblings follow."""
    names: set[str] = set()
    for cell in re.findall(r"^\| (`.*?) \|", MAP, re.MULTILINE):
        parent = ""
        for name in re.findall(r"`([^`]+)`", cell):
            path = name.rstrip("/")
            if not (ROOT / path).exists():
                path = f"{parent}/{path}"
            names.add(path)
            parent = path.rpartition("/")[0]
    return names


def test_the_map_names_every_folder_and_every_package() -> None:
    packages = {
        str(package.parent.relative_to(ROOT))
        for root in ("adapters", "entrypoints")
        for package in (ROOT / root).glob("*/__init__.py")
    }
    # The map names the two rooms of this package.
    packages.remove("entrypoints/orders_http")
    folders = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir()
        and (not path.name.startswith(".") or path.name == ".github")
        and path.name not in {"adapters", "entrypoints", "artefacts", "build", "dist"}
        and not path.name.endswith((".egg-info", "__pycache__"))
    }
    assert packages | folders <= mapped()
    assert [name for name in mapped() if not (ROOT / name).exists()] == []


def test_every_target_that_it_makes_is_one_of_the_makefile() -> None:
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = re.findall(r"(?:^|`)make ((?:[a-z-]+ ?)+)", PAGE, re.MULTILINE)
    made = {word for command in commands for word in command.split()}
    assert {"run", "test", "lint", "types"} <= made
    assert made - targets == set()


def test_every_path_that_it_names_exists() -> None:
    paths = re.findall(r"`((?:orders_core|adapters|entrypoints|tests|docs)/[\w./-]*)`", PAGE)
    assert paths
    # NAME stands for the name of something new.
    assert [path for path in paths if not (ROOT / path).exists() and "NAME" not in path] == []
