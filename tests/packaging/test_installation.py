"""Without extras, the library works, and everything else says what it needs."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import Installation, run_module

# Modules for files, the network, processes and logs, and every library of an extra.
# `threading` is missing because attrs loads it.
FORBIDDEN = {
    "asn1crypto",
    "asyncio",
    "bottle",
    "concurrent",
    "ctypes",
    "email",
    "http",
    "logging",
    "multiprocessing",
    "pathlib",
    "pg8000",
    "prometheus_client",
    "select",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "urllib",
    "waitress",
}

RIGHT = """
from decimal import Decimal
from typing import assert_type

from orders_core import Amount, Order, OrderId, OrderStore, Outcome, place
from orders_memory import MemoryStore

store: OrderStore = MemoryStore()
order = Order("A-1", Decimal("12.30"))
assert_type(order.id, OrderId)
assert_type(order.amount, Amount)
assert_type(order.amount.cents, int)
assert_type(place(store, order), Outcome)
"""

WRONG = """
from orders_core import Amount, Order, place
from orders_memory import MemoryStore

Amount(12.3)  # arg-type
place({}, Order("A-1", "12.30"))  # arg-type
place(MemoryStore(), "A-1")  # arg-type
Order("A-1", "12.30").amount = Amount(1)  # misc
Order("A-1", "12.30").price  # attr-defined
"""


def check_types(installation: Installation, consumer: Path) -> subprocess.CompletedProcess[str]:
    """Type-check a consumer against the installed distribution only."""
    return run_module(
        "mypy",
        "--strict",
        "--config-file=",
        "--no-error-summary",
        f"--python-executable={installation.python}",
        f"--cache-dir={consumer.parent / 'cache'}",
        consumer,
        folder=consumer.parent,
    )


def test_it_installs_only_attrs(installation: Installation) -> None:
    pip = ("--python", installation.python, "list", "--format=json")
    ended = run_module("pip", *pip, folder=installation.folder)
    assert {each["name"] for each in json.loads(ended.stdout)} == {"attrs", "orders-core"}


def test_the_core_imports_nothing_that_does_input_or_output(installation: Installation) -> None:
    printed = installation.execute("import sys, orders_core; print(*sys.modules)")
    loaded = {name.partition(".")[0] for name in printed.split()}
    assert "orders_core" in loaded
    assert not loaded & FORBIDDEN


def test_the_example_in_the_library_works(installation: Installation) -> None:
    printed = installation.execute(
        "import doctest, orders_core; print(*doctest.testmod(orders_core, raise_on_error=True))"
    )
    failed, attempted = map(int, printed.split())
    assert failed == 0
    assert attempted > 0


def test_a_consumer_sees_the_types(installation: Installation, tmp_path: Path) -> None:
    consumer = tmp_path / "consumer.py"
    consumer.write_text(RIGHT)
    ended = check_types(installation, consumer)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


def test_a_consumers_mistakes_are_type_errors(installation: Installation, tmp_path: Path) -> None:
    consumer = tmp_path / "consumer.py"
    consumer.write_text(WRONG)
    ended = check_types(installation, consumer)
    found = re.findall(r"consumer\.py:(\d+): error: .*\[([a-z-]+)\]$", ended.stdout, re.MULTILINE)
    expected = [
        (str(number), line.partition("  # ")[2])
        for number, line in enumerate(WRONG.splitlines(), start=1)
        if "  # " in line
    ]
    assert found == expected, ended.stdout


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("serve", "--help")])
def test_help_and_version_work_without_extras(
    installation: Installation,
    arguments: tuple[str, ...],
) -> None:
    ended = installation.run(installation.folder / "bin/orders", *arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "orders" in ended.stdout


def test_a_command_without_its_extra_says_what_to_install(installation: Installation) -> None:
    ended = installation.run(installation.folder / "bin/orders", "serve")
    assert ended.returncode == 78
    assert ended.stdout == ""
    assert "pip install '.[service]'" in ended.stderr
    assert not list(installation.folder.glob("*.db*"))


@pytest.mark.parametrize(
    ("package", "library", "extra"),
    [
        ("orders_postgres", "asn1crypto", "postgres"),
        ("orders_postgres.url", "asn1crypto", "postgres"),
        ("orders_http.api.application", "bottle", "http"),
        ("orders_prometheus", "prometheus_client", "metrics"),
    ],
)
def test_a_package_without_its_extra_says_what_to_install(
    installation: Installation, package: str, library: str, extra: str
) -> None:
    ended = installation.run(installation.python, "-c", f"import {package}")
    last = ended.stderr.splitlines()[-1]
    assert f"{library} is not installed; the extra {extra} brings it: " in last
    assert f"pip install '.[{extra}]' in a clone" in last
