"""`orders token`: makes, lists and revokes tokens, and edits the file."""

import re
import stat
import subprocess
from pathlib import Path

import pytest

from orders_cli.exits import Exit
from orders_tokens import Scope, Token, parse_tokens, read_tokens
from tests.cli.command import Ended, Orders
from tests.token_files import put, write_tokens

FILE = "tokens"
IN_FILE = ("--tokens-file", FILE)


def made(ended: Ended) -> str:
    """Return the token that a command printed, and check that it printed nothing else."""
    assert ended.status == Exit.DONE, ended.err
    assert re.fullmatch(r"orders_[0-9a-f]{64}\n", ended.out)
    assert ended.out.strip() not in ended.err
    return ended.out.strip()


def test_it_prints_the_token_and_shows_its_line(orders: Orders) -> None:
    ended = orders("token", "shop", "--scope", "read", "--scope", "write")
    secret = made(ended)
    (token,) = parse_tokens(ended.err.encode())
    assert token == Token.of_secret("shop", Scope, secret)
    assert ended.err == f"{token.line()}\n"
    assert list(orders.folder.glob("[!.]*")) == []


@pytest.mark.parametrize(
    ("flags", "scopes"),
    [
        ([], "read"),
        (["--scope", "read"], "read"),
        (["--scope", "write"], "write"),
        (["--scope", "write", "--scope", "read", "--scope", "write"], "read,write"),
    ],
)
def test_a_tokens_default_scope_is_read(
    orders: Orders,
    flags: list[str],
    scopes: str,
) -> None:
    ended = orders("token", "shop", *flags)
    made(ended)
    assert ended.err.split()[1] == scopes


def test_it_adds_the_line_to_a_file_that_the_service_can_read(orders: Orders) -> None:
    first = made(orders("token", "shop", "--add", *IN_FILE))
    ended = orders("token", "--add", "b.2", "--scope", "write", ORDERS_TOKENS_FILE=FILE)
    second = made(ended)
    assert ended.err == (
        f"orders: added b.2 (write) to {FILE}; a running service reads it within 1 s\n"
    )
    assert read_tokens(Path(FILE)) == (
        Token.of_secret("shop", [Scope.READ], first),
        Token.of_secret("b.2", [Scope.WRITE], second),
    )
    assert stat.S_IMODE(Path(FILE).stat().st_mode) == 0o644


def test_adding_keeps_the_content_and_the_mode(orders: Orders) -> None:
    write_tokens(Path(FILE), old="read")
    before = Path(FILE).read_text(encoding="utf-8")
    kept = f"# ours: caf\u00e9\n\n{before}  # the end, without a newline"
    put(Path(FILE), kept)
    Path(FILE).chmod(0o640)
    owner = (Path(FILE).stat().st_uid, Path(FILE).stat().st_gid)
    made(orders("token", "shop", "--add", *IN_FILE))
    assert Path(FILE).read_text("utf-8").startswith(f"{kept}\nshop read sha256:")
    assert stat.S_IMODE(Path(FILE).stat().st_mode) == 0o640
    assert (Path(FILE).stat().st_uid, Path(FILE).stat().st_gid) == owner


def test_a_link_stays_a_link(orders: Orders) -> None:
    Path("real").mkdir()
    Path(FILE).symlink_to("real/tokens")
    made(orders("token", "shop", "--add", *IN_FILE))
    assert Path(FILE).is_symlink()
    assert [token.name for token in read_tokens(Path("real/tokens"))] == ["shop"]


def test_a_known_name_is_refused_and_no_token_printed(orders: Orders) -> None:
    write_tokens(Path(FILE), shop="read")
    before = Path(FILE).read_bytes()
    ended = orders("token", "shop", "--add", *IN_FILE)
    assert (ended.status, ended.out) == (Exit.REFUSED, "")
    assert ended.err == f"orders: {FILE}: the token shop already exists; nothing was changed\n"
    assert Path(FILE).read_bytes() == before


@pytest.mark.parametrize("name", ["", "-x", "a b", "caf\u00e9", "x" * 65, "a\n", "#a"])
def test_an_invalid_name_is_refused(orders: Orders, name: str) -> None:
    for flags in ((), ("--add", *IN_FILE)):
        ended = orders("token", *flags, "--", name)
        assert (ended.status, ended.out) == (Exit.USAGE, "")
        assert ended.err.startswith("orders: the name of a token is 1 to 64 ASCII letters")
        assert ended.err.count("\n") == 1
    assert not Path(FILE).exists()


def test_concurrent_commands_lose_no_token(orders: Orders) -> None:
    names = [f"shop-{number}" for number in range(6)]
    started = [orders.start("token", name, "--add", *IN_FILE) for name in names]
    printed = {}
    for name, process in zip(names, started, strict=True):
        with process:
            out, _ = process.communicate()
        assert process.returncode == Exit.DONE
        printed[name] = out.decode().strip()
    stored = {token.name: token for token in read_tokens(Path(FILE))}
    assert set(stored) == set(names)
    assert all(stored[name].is_of(printed[name]) for name in names)


def test_the_token_can_be_piped_and_the_line_appended_by_a_shell(orders: Orders) -> None:
    with Path(FILE).open("ab") as file:
        process = orders.start("token", "shop", stderr=subprocess.PIPE)
        with process:
            out, err = process.communicate()
        file.write(err)
    (token,) = read_tokens(Path(FILE))
    assert token.is_of(out.decode().strip())


def test_a_token_is_revoked_and_nothing_else_changed(orders: Orders) -> None:
    put(Path(FILE), "# first\n")
    for name in ("a", "b", "c"):
        made(orders("token", name, "--add", *IN_FILE))
    lines = Path(FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    for arguments in (("--revoke", "b"), ("c", "--revoke")):
        ended = orders("token", *arguments, *IN_FILE)
        assert (ended.status, ended.out) == (Exit.DONE, "")
        assert ended.err.startswith("orders: revoked ")
    assert Path(FILE).read_text(encoding="utf-8") == "".join(lines[:2])


def test_revoking_an_unknown_token_is_refused(orders: Orders) -> None:
    for _ in range(2):
        ended = orders("token", "shop", "--revoke", *IN_FILE)
        assert (ended.status, ended.out) == (Exit.REFUSED, "")
        assert ended.err == f"orders: {FILE}: the token shop does not exist; nothing was changed\n"
        write_tokens(Path(FILE), shop2="read", SHOP="read")


def test_the_list_has_names_and_scopes_and_no_hash(orders: Orders) -> None:
    write_tokens(Path(FILE), shop="read,write", reader="read")
    ended = orders("token", "--list", *IN_FILE)
    assert (ended.status, ended.out, ended.err) == (
        *(Exit.DONE, "shop read,write\nreader read\n", ""),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        *(["token"], ["token", "--add"], ["token", "--revoke"], ["token", "shop", "--list"]),
        *(["token", "a", "b"], ["token", "a", "--add", "--revoke"], ["token", "--add", "--list"]),
        *(["token", "a", "--scope", "admin"], ["token", "a", "--scope"]),
    ],
)
def test_wrong_arguments_are_refused(orders: Orders, arguments: list[str]) -> None:
    ended = orders(*arguments, *IN_FILE)
    assert (ended.status, ended.out) == (Exit.USAGE, "")
    assert ended.err.startswith("orders: ")
    assert not Path(FILE).exists()


@pytest.mark.parametrize("arguments", [["a", "--add"], ["a", "--revoke"], ["--list"]])
def test_without_a_file_the_message_says_how_to_name_one(
    orders: Orders, arguments: list[str]
) -> None:
    ended = orders("token", *arguments)
    assert (ended.status, ended.out) == (Exit.CONFIGURATION, "")
    assert ended.err == (
        "orders: no tokens_file is set; name it with --tokens-file or ORDERS_TOKENS_FILE\n"
    )


@pytest.mark.parametrize("arguments", [["a", "--add"], ["a", "--revoke"], ["--list"]])
def test_an_invalid_file_is_reported_by_line_and_left_unchanged(
    orders: Orders,
    arguments: list[str],
) -> None:
    put(Path(FILE), "shop\n\nother read\n")
    ended = orders("token", *arguments, *IN_FILE)
    assert (ended.status, ended.out) == (Exit.CONFIGURATION, "")
    assert [line.partition(" has ")[0] for line in ended.err.splitlines()] == [
        *(f"orders: {FILE}: line 1:", f"orders: {FILE}: line 3:"),
    ]
    assert Path(FILE).read_text(encoding="utf-8") == "shop\n\nother read\n"


def test_a_missing_folder_is_named(orders: Orders) -> None:
    ended = orders("token", "shop", "--add", "--tokens-file", "nowhere/tokens")
    assert (ended.status, ended.out) == (Exit.UNAVAILABLE, "")
    assert ended.err == f"orders: {orders.folder}/nowhere: No such file or directory\n"


# What the other commands make of the file.


def test_check_reports_the_number_of_tokens(orders: Orders) -> None:
    write_tokens(Path(FILE), shop="read", other="write")
    ended = orders("check", *IN_FILE, "--listen", "0.0.0.0:8000")
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert (
        f'tokens_file = "{FILE}"  # flag --tokens-file\nauth = "tokens"  # default\n' in ended.out
    )
    put(Path(FILE), "# nobody")
    out = orders("check", *IN_FILE).out
    assert f"# clients need a token; {FILE} has no token, so every client is refused\n" in out


def test_check_reports_that_the_network_is_trusted(orders: Orders) -> None:
    ended = orders("check", "--auth", "trusted-network", "--listen", "[::]:8000")
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert 'auth = "trusted-network"  # flag --auth\n' in ended.out
    assert "# clients need no token: everyone who can connect may use the service" in ended.out


@pytest.mark.parametrize("command", ["check", "serve"])
def test_it_refuses_to_start_with_an_unusable_file(orders: Orders, command: str) -> None:
    Path(FILE).write_text("shop\n", encoding="utf-8")
    Path(FILE).chmod(0o644)
    ended = orders(command, *IN_FILE)
    assert ended.status == Exit.CONFIGURATION
    assert f"orders: tokens_file (flag --tokens-file): {FILE}: line 1: " in ended.err


@pytest.mark.parametrize("command", ["check", "serve"])
def test_it_refuses_to_listen_off_loopback_without_tokens(
    orders: Orders,
    command: str,
) -> None:
    ended = orders(command, "--listen", "0.0.0.0:0")
    assert (ended.status, ended.out) == (Exit.CONFIGURATION, "")
    assert "ORDERS_TOKENS_FILE" in ended.err
    assert "set --auth or ORDERS_AUTH to trusted-network" in ended.err
    assert ended.err.count("\n") == 1
