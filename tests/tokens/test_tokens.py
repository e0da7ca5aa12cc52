"""The token file: its grammar, the clients that it admits, and its changes."""

import hashlib
import json
import logging
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_tokens import (
    LOOK_SECONDS,
    InvalidTokens,
    Scope,
    Token,
    TokenFile,
    new_secret,
    parse_tokens,
    read_tokens,
)
from tests.token_files import overwrite_unseen, put, watched, write_tokens

SECRET = f"orders_{'5eed' * 16}"
HASH = f"sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}"
GOOD = f"shop read,write {HASH}"


def names() -> st.SearchStrategy[str]:
    return st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


def tokens() -> st.SearchStrategy[Token]:
    scopes = st.frozensets(st.sampled_from(Scope), min_size=1)
    return st.builds(Token, names(), scopes, st.binary(min_size=32, max_size=32))


def token_lists() -> st.SearchStrategy[list[Token]]:
    unique = (lambda token: token.name, lambda token: token.digest)
    return st.lists(tokens(), min_size=1, max_size=8, unique_by=unique)


def problems(content: bytes | str) -> list[str]:
    """Return the problems of a file's content."""
    try:
        parse_tokens(content if isinstance(content, bytes) else content.encode())
    except InvalidTokens as error:
        return list(error.problems)
    return []


def problem_of(path: Path) -> str:
    """Return the only problem of a file."""
    with pytest.raises(InvalidTokens) as raised:
        read_tokens(path)
    (problem,) = raised.value.problems
    return problem


# What a token is.


def test_a_token_is_256_random_bits_after_a_prefix_that_scanners_recognise() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch(r"orders_[0-9a-f]{64}", secret) for secret in secrets)


def test_the_hash_is_what_sha256sum_prints() -> None:
    assert Token.of_secret("shop", Scope, SECRET).line() == GOOD


def test_a_printed_token_does_not_show_its_hash() -> None:
    assert HASH.removeprefix("sha256:") not in repr(Token.of_secret("shop", Scope, SECRET))


# What a file may say.


@given(token_lists())
def test_written_tokens_are_read_back(written: list[Token]) -> None:
    assert parse_tokens("\n".join(token.line() for token in written).encode()) == tuple(written)


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        f"{GOOD}\n",
        f"\n\n  \t\n{GOOD}\n\n",
        f"# comment: é # more\n   # shop\n\t{GOOD}  \n",
        f"shop\t read,write \t{HASH}",
        f"shop write,read {HASH}\r\n# a file of Windows\r\n",
    ],
)
def test_comments_empty_lines_and_blanks_are_ignored(content: str) -> None:
    assert parse_tokens(content.encode()) == (Token.of_secret("shop", Scope, SECRET),)


@given(st.text().filter(lambda text: not {"\n", "\0"} & set(text)))
def test_a_line_is_a_comment_a_token_or_a_problem_with_its_number(text: str) -> None:
    found = problems(f"{GOOD}\n\n{text}".encode("utf-8", "surrogatepass"))
    line = text.strip(" \t\r")
    if not line or line.startswith("#"):
        assert found == []
    elif found:
        assert [problem.partition(":")[0] for problem in found] == ["line 3"]


DAMAGES: list[Callable[[str], str]] = [
    lambda line: line.rpartition(" ")[0],
    lambda line: line.partition(" ")[2],
    lambda line: f"{line} more",
    lambda line: f"{line} # a comment stands on a line of its own",
    lambda line: f"-{line}",
    lambda line: f"é{line}",
    lambda line: f"{'x' * 64}{line}",
    lambda line: f"\ufeff{line}",
    lambda line: line.replace(" sha256:", " "),
    lambda line: line.replace(" sha256:", " md5:"),
    lambda line: line.replace(" sha256:", " SHA256:"),
    lambda line: line[:-1],
    lambda line: f"{line}0",
    lambda line: f"{line[:-1]}g",
    lambda line: f"{line[:-1]}A",
    lambda line: line.replace(" sha256:", ", sha256:"),
    lambda line: line.replace(" sha256:", ",admin sha256:"),
    lambda line: line.replace(" sha256:", ",read,write,read sha256:"),
    lambda line: line.replace(" ", " READ,", 1),
    lambda line: line.replace(" ", ": ", 1),
    lambda line: line.replace(" ", "\0 ", 1),
    lambda line: line.replace(" ", "\u00a0", 1),
    lambda line: line.replace(" ", "\r", 1),
    lambda line: f"{line.partition(' ')[0]} read {SECRET}",
    lambda line: f"{SECRET} read {line.rpartition(' ')[2]}",
]


@given(token_lists(), st.data())
def test_every_damaged_line_is_refused_by_number_and_not_quoted(
    written: list[Token],
    data: st.DataObject,
) -> None:
    lines = [token.line() for token in written]
    number = data.draw(st.integers(0, len(lines) - 1))
    lines[number] = data.draw(st.sampled_from(DAMAGES))(lines[number])
    (problem,) = problems("\n".join(lines))
    assert problem.startswith(f"line {number + 1}: ")
    assert written[number].digest.hex()[:-1] not in problem
    assert SECRET.removeprefix("orders_") not in problem


def test_a_line_that_is_not_utf_8_is_refused_by_number() -> None:
    assert problems(GOOD.encode() + b"\n\n# caf\xe9\n") == [
        "line 3: is not UTF-8; save it as UTF-8 without a byte order mark"
    ]


def test_every_problem_is_reported() -> None:
    found = problems(f"shop\n{GOOD}\nb all {HASH}\n\nshop read sha256:{'0' * 64}\nc read {HASH}")
    assert [problem.partition(":")[0] for problem in found] == [
        *("line 1", "line 3", "line 5", "line 6"),
    ]
    assert found[2].endswith("line 2 has the same name")
    assert found[3].endswith("line 2 has the same hash under another name")


def test_a_token_instead_of_its_hash_is_reported_as_exposed() -> None:
    (found,) = problems(f"shop read {SECRET}")
    assert "holds a token" in found
    assert "orders token" in found


# Which files are taken.


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    assert problem_of(path) == f"{path}: cannot be read: No such file or directory"


def test_anything_but_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        assert problem_of(path) == f"{path}: is not a regular file"


@pytest.mark.parametrize("mode", [0o664, 0o666, 0o602, 0o646])
def test_a_file_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "tokens"
    write_tokens(path, shop="read")
    path.chmod(mode)
    problem = problem_of(path)
    assert problem.startswith(f"{path}: users other than its owner can write to it; ")
    assert f"chmod go-w {path}" in problem


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o644])
def test_a_file_that_others_can_read_is_accepted(
    tmp_path: Path,
    mode: int,
) -> None:
    path = tmp_path / "tokens"
    write_tokens(path, shop="read")
    path.chmod(mode)
    assert [token.name for token in read_tokens(path)] == ["shop"]


def test_a_problem_names_the_file_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    put(path, "shop\n")
    assert problem_of(path).startswith(f"{path}: line 1: ")


# Who gets in.


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[TokenFile, dict[str, str]]:
    """A file of three tokens, and the tokens."""
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    secrets = write_tokens(path, shop="read,write", reader="read", writer="write")
    return TokenFile(path), dict(secrets)


def test_each_token_is_found_with_its_scopes(known: tuple[TokenFile, dict[str, str]]) -> None:
    file, secrets = known
    found = [file.find(secrets[name]) for name in ("shop", "reader", "writer")]
    assert [(token.name, token.scope_list()) for token in found if token is not None] == [
        *(("shop", "read,write"), ("reader", "read"), ("writer", "write")),
    ]


@given(st.data())
def test_anything_but_a_token_of_the_file_is_refused(
    known: tuple[TokenFile, dict[str, str]],
    data: st.DataObject,
) -> None:
    file, secrets = known
    name, secret = data.draw(st.sampled_from(sorted(secrets.items())))
    position = data.draw(st.integers(0, len(secret) - 1))
    digest = hashlib.sha256(secret.encode()).hexdigest()
    text = data.draw(
        st.text()
        | st.from_regex(r"orders_[0-9a-f]{64}", fullmatch=True)
        | st.sampled_from(
            [
                *(name, digest, f"orders_{digest}", f"sha256:{digest}", secret[7:], secret.upper()),
                *(secret[:-1], f"{secret}0", f" {secret}", f"{secret}\n", f"{secret},{secret}"),
            ],
        )
        | st.characters().map(lambda other: secret[:position] + other + secret[position + 1 :]),
    )
    assert file.find(text) is None or text in secrets.values()


# What happens when the file changes.


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """Return the messages of one level."""
    return [record.message for record in caplog.records if record.levelno == level]


def test_a_new_token_is_accepted_and_a_revoked_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    old = write_tokens(path, shop="read", gone="read")
    file = watched(path)
    kept = [line for line in path.read_text().splitlines() if line.startswith("shop")]
    added = Token.of_secret("new", [Scope.WRITE], SECRET)
    put(path, "\n".join([*kept, added.line()]))
    assert file.find(SECRET) == added
    assert file.find(old["shop"]) is not None
    assert file.find(old["gone"]) is None
    assert (file.named("new"), file.named("gone")) == (added, None)


def test_the_file_is_checked_at_most_once_a_second(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    write_tokens(path, shop="read")
    now = 100.0
    file = TokenFile(path, lambda: now)
    new = write_tokens(path, shop="read")
    now += LOOK_SECONDS / 2
    assert file.find(new["shop"]) is None
    now += LOOK_SECONDS / 2
    assert file.find(new["shop"]) is not None


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


BROKEN: dict[str, Callable[[Path], object]] = {
    "a wrong line": lambda path: put(path, "shop read\n"),
    "no file": lambda path: path.unlink(),
    "others may write": lambda path: path.chmod(0o666),
    "a folder": become_a_folder,
    "not text": lambda path: put(path, b"\xff\0" * 100),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_an_invalid_file_locks_no_client_out_and_is_logged_once(
    tmp_path: Path,
    broken: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "tokens"
    secret = write_tokens(path, shop="read")["shop"]
    file = watched(path)
    BROKEN[broken](path)
    for _ in range(5):
        assert file.find(secret) is not None
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.message.startswith("the token file cannot be used; ")
    assert vars(record)["problems"][0].startswith(f"{path}: ")
    # The next change is told, too, if it is no better.
    if path.is_dir():
        path.rmdir()
    put(path, "still wrong")
    assert file.find(secret) is not None
    assert len(told(caplog, logging.ERROR)) == 2
    new = write_tokens(path, shop="read")
    assert file.find(new["shop"]) is not None
    assert file.find(secret) is None
    assert told(caplog, logging.INFO) == ["tokens read"]


@pytest.mark.parametrize("content", ["", "\n \n", "# nobody\n"])
def test_a_file_without_tokens_refuses_every_client_and_is_logged(
    tmp_path: Path,
    content: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "tokens"
    secret = write_tokens(path, shop="read")["shop"]
    file = watched(path)
    put(path, content)
    assert file.find(secret) is None
    assert file.named("shop") is None
    warning = "the token file has no token, so every client is refused"
    assert told(caplog, logging.WARNING) == [warning]
    assert TokenFile(path).find(secret) is None
    assert told(caplog, logging.WARNING) == [warning, warning]


def test_a_reload_reads_a_change_that_leaves_no_trace(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "tokens"
    old = write_tokens(path, shop="read")
    file = watched(path)
    changed = Token.of_secret("shop", [Scope.READ], SECRET)
    overwrite_unseen(path, f"{changed.line()}\n".encode())
    assert file.find(SECRET) is None
    file.reload()
    assert file.find(SECRET) == changed
    assert file.find(old["shop"]) is None
    assert told(caplog, logging.INFO) == ["tokens read"]


def test_a_reload_of_an_invalid_file_is_logged_again(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "tokens"
    secret = write_tokens(path, shop="read")["shop"]
    file = watched(path)
    put(path, "wrong")
    for _ in range(3):
        file.reload()
        assert file.find(secret) is not None
        assert file.find(secret) is not None
    assert len(told(caplog, logging.ERROR)) == 3


def test_a_reload_does_not_wait_for_the_next_second(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    write_tokens(path, shop="read")
    file = TokenFile(path, lambda: 0.0)
    new = write_tokens(path, shop="read")
    file.reload()
    assert file.find(new["shop"]) is not None


def test_log_lines_about_a_file_are_json_without_hashes(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "tokens"
    write_tokens(path, shop="read")
    file = watched(path)
    put(path, f"{GOOD}\nshop read {SECRET}\n{GOOD}x\n")
    assert file.find(SECRET) is None
    logged = json.dumps([{**vars(record), "args": None} for record in caplog.records], default=str)
    assert "line 2" in logged
    assert SECRET not in logged
    assert HASH.removeprefix("sha256:") not in logged


def test_a_kept_token_is_accepted_at_every_moment_while_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    secret = write_tokens(path, shop="read")["shop"]
    line = path.read_text()
    file = watched(path)
    stopped = threading.Event()
    refused: list[bool] = []

    def use() -> None:
        while not stopped.is_set():
            refused.append(file.find(secret) is None)

    users = [threading.Thread(target=use) for _ in range(4)]
    for user in users:
        user.start()
    for number in range(100):
        put(path, "wrong" if number % 3 == 0 else f"# {number}\n{line}")
    path.unlink()
    put(path, line)
    stopped.set()
    for user in users:
        user.join()
    assert len(refused) > 0
    assert not any(refused)
