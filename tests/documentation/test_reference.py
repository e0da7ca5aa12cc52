"""The reference documentation names every route and every command.

The settings are in `tests/service/test_documentation.py`, the problem types in
`tests/http/test_problems.py`, the metrics in `tests/prometheus/test_metrics.py`, and the manual
page in `tests/packaging/test_debian.py`.
"""

import re
from pathlib import Path
from typing import Final

import pytest

from orders_cli.parser import build_parser
from orders_http.api.application import HttpSettings, create_app
from orders_http.api.hosts import HostRule
from orders_http.api.operations import Operations
from orders_http.api.routes import PATHS
from orders_memory import MemoryStore
from tests.http.wsgi_client import WsgiClient

ROOT: Final = Path(__file__).parents[2]
_HTTP: Final = (ROOT / "docs/http.md").read_text("utf-8")


def documented_requests() -> set[str]:
    """Read the requests in the first column of the tables, such as `GET /orders`."""
    cells = re.findall(r"^\|(.*?)\|", _HTTP, re.MULTILINE)
    return {
        request.partition("?")[0]
        for cell in cells
        for request in re.findall(r"`([A-Z]+ /[^`]*)`", cell)
    }


@pytest.mark.parametrize("route", PATHS)
def test_every_route_and_method_of_the_interface_is_documented(route: str) -> None:
    client = WsgiClient(create_app(MemoryStore(), HttpSettings("USD", HostRule())))
    path = route.replace("<id>", "A-1")
    methods = set(client.request("OPTIONS", path).headers["allow"].split(", "))
    # Every path with GET has HEAD and every path has OPTIONS; the page says so once.
    requests = {f"{each} {route}" for each in methods - {"HEAD", "OPTIONS"}}
    documented = {each.replace("{id}", "<id>") for each in documented_requests()}
    assert requests
    assert requests - documented == set()


def test_every_route_of_the_operations_listener_is_documented() -> None:
    client = WsgiClient(Operations(MemoryStore(), lambda: False, lambda: b""))
    routes = set(re.findall(r"/\w+", client.get("/unknown").json()["detail"]))
    assert "/metrics" in routes
    assert {f"GET {route}" for route in routes} - documented_requests() == set()


def test_no_request_is_documented_that_does_not_exist() -> None:
    documented = {each.split(" ")[1].replace("{id}", "<id>") for each in documented_requests()}
    assert documented == {*PATHS, "/livez", "/readyz", "/metrics"}


def test_the_readme_introduces_every_command() -> None:
    section = (ROOT / "README.md").read_text("utf-8").partition("## The command\n")[2]
    section = section.partition("\n## ")[0]
    commands = re.findall(r"^    (\w+)", build_parser().format_help(), re.MULTILINE)
    assert "migrate" in commands
    assert [each for each in commands if f"orders {each}" not in section] == []
