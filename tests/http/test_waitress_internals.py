"""The server runs only on releases of Waitress whose private names it was verified against."""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from orders_http.server import waitress_internals
from orders_http.server.waitress_internals import VERIFIED_VERSIONS

REPOSITORY = Path(__file__).parents[2]


def declared_names() -> Iterator[tuple[str, str]]:
    """Every class that is declared, with each of its names."""
    for node in ast.walk(ast.parse(inspect.getsource(waitress_internals))):
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.FunctionDef):
                    yield node.name, each.name
                elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                    yield node.name, each.target.id


def attributes_set_by(declared: type) -> set[str]:
    """The attributes that a class, or a base of it, assigns."""
    sources = [inspect.getsource(each) for each in declared.__mro__ if each is not object]
    nodes = ast.walk(ast.parse("\n".join(sources)))
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def test_the_installed_release_is_verified() -> None:
    assert version("waitress") in VERIFIED_VERSIONS


def test_no_other_release_is_allowed_to_be_installed() -> None:
    (required,) = re.findall(r'"waitress([^"]*)"', (REPOSITORY / "setup.py").read_text())
    assert required == ",".join(f"=={each}" for each in sorted(VERIFIED_VERSIONS))


@pytest.mark.parametrize(("class_name", "name"), [*declared_names()])
def test_waitress_has_each_name_that_the_server_uses(class_name: str, name: str) -> None:
    declared = getattr(waitress_internals, class_name)
    assert hasattr(declared, name) or name in attributes_set_by(declared)
