"""How the command reads its arguments, and what it says about wrong ones."""

import json
import sys
from importlib.metadata import version

import pytest

from orders_cli.exits import Exit
from orders_cli.parser import build_parser
from orders_service.configuration.settings import SETTINGS
from tests.cli.command import Orders

COMMANDS = ("serve", "migrate", "import", "export", "check", "token", "completion")


def test_without_a_command_it_prints_its_help_and_exits_with_2(orders: Orders) -> None:
    ended = orders()
    assert (ended.status, ended.out) == (Exit.USAGE, "")
    assert ended.err == build_parser().format_help()


@pytest.mark.parametrize("command", [(), *((each,) for each in COMMANDS)])
def test_help_fits_a_terminal_of_80_columns(orders: Orders, command: tuple[str, ...]) -> None:
    ended = orders(*command, "--help", COLUMNS="80")
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert max(map(len, ended.out.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_every_command_does(orders: Orders, command: str) -> None:
    assert f"\n    {command}" in orders("--help").out


@pytest.mark.parametrize("status", Exit)
def test_help_explains_every_exit_status(orders: Orders, status: Exit) -> None:
    assert f"\n  {status.value:<5}" in orders("--help").out


def test_help_names_the_variable_and_the_default_of_every_setting(orders: Orders) -> None:
    text = " ".join(orders("serve", "--help").out.split())
    for setting in SETTINGS:
        assert (f"{setting.flag} VALUE" in text) == (setting.flag is not None)
        assert setting.variable in text
        assert f"default {setting.default}" in text or not setting.default


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nothing"], "invalid choice: 'nothing'"),
        (["--nothing"], "unknown flag --nothing; see orders --help"),
        (["check", "more"], "too many arguments; see orders --help"),
        (["check", "--list", ":1"], "unknown flag --list; see orders --help"),
        (["import"], "arguments are required: FILE; see orders import --help"),
        (["import", "a", "--format", "xml"], "invalid choice: 'xml'"),
        (["completion", "fish"], "invalid choice: 'fish'"),
        (["serve", "--listen"], "argument --listen: expected one argument"),
    ],
)
def test_wrong_arguments_are_reported_in_one_line(
    orders: Orders,
    arguments: list[str],
    complaint: str,
) -> None:
    ended = orders(*arguments)
    assert (ended.status, ended.out) == (Exit.USAGE, "")
    assert ended.err.startswith("orders: ")
    assert complaint in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--database-password", "canary"],
        ["--database-password=canary"],
        ["--database-pass=canary"],
    ],
)
def test_a_password_in_the_arguments_is_refused_and_not_printed(
    orders: Orders,
    arguments: list[str],
) -> None:
    ended = orders("check", *arguments)
    assert ended.status == Exit.USAGE
    assert "--database-pass" in ended.err
    assert "canary" not in ended.out + ended.err


def test_it_prints_the_version_of_the_installed_distribution(orders: Orders) -> None:
    ended = orders("--version")
    assert (ended.status, ended.out) == (Exit.DONE, f"orders {version('orders-core')}\n")


def test_it_reports_that_it_is_not_installed(
    orders: Orders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])
    ended = orders("--version")
    assert (ended.status, ended.out) == (Exit.DONE, "orders (not installed: run from its source)\n")


def test_it_ends_quietly_when_its_reader_closes_the_pipe(orders: Orders) -> None:
    with orders.start("--version") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == Exit.OUTPUT_CLOSED


def test_output_that_cannot_be_written_is_an_error(orders: Orders) -> None:
    with (
        open("/dev/full", "wb") as full,  # noqa: PTH123 - a device
        orders.start("--version", stdout=full) as process,
    ):
        assert process.stderr is not None
        assert process.stderr.read() == b"orders: No space left on device\n"
    assert process.returncode == Exit.UNAVAILABLE


@pytest.mark.parametrize(
    "module", ["asn1crypto", "bottle", "waitress", "prometheus_client", "pg8000"]
)
def test_a_part_that_is_not_installed_is_named_with_its_remedy(orders: Orders, module: str) -> None:
    environ = {"DATABASE_URL": "postgresql://me@localhost/mine"}
    with orders.start("serve", environ=environ, without=module) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (Exit.CONFIGURATION, b"")
    message = json.loads(err)["message"]
    assert message.startswith(
        f"{module} is not installed; the extra service brings it: run pip install '.[service]' in "
    )


def test_a_missing_module_of_our_own_is_a_defect_and_not_hidden(
    orders: Orders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "orders_cli.check", None)
    with pytest.raises(ModuleNotFoundError, match=r"orders_cli\.check"):
        orders("check")
