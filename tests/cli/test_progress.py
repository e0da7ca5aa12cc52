"""The progress display: only on a terminal, not too often, and gone at the end."""

import os
import pty
import re
import subprocess
import tty
from collections.abc import Iterator
from contextlib import closing, suppress
from io import StringIO
from select import select
from typing import Final, TextIO

import pytest

from orders_cli.exits import Exit
from orders_cli.importing import BATCH
from orders_cli.progress import SECONDS_BETWEEN, Progress
from orders_core import Order, place_each
from orders_sqlite import SqliteStore
from tests.cli.command import Orders
from tests.clock import Clock

CLEARED = "\r\x1b[K"
_PIECE: Final = 32 * 1024


class Terminal:
    """A terminal: what a program writes to it, and what a person sees."""

    def __init__(self) -> None:
        self.screen, self.program_side = pty.openpty()
        tty.setraw(self.program_side)
        self.writer: TextIO = os.fdopen(self.program_side, "w", closefd=False)

    def read(self, end: str) -> str:
        """Read until this appears; a terminal may deliver the output in pieces."""
        seen = ""
        while not seen.endswith(end):
            seen += os.read(self.screen, 4096).decode()
        return seen

    def has_shown(self, seconds: float) -> bool:
        """Tell whether there is something to read, within some seconds."""
        return bool(select([self.screen], [], [], seconds)[0])

    def close(self) -> None:
        self.writer.close()
        os.close(self.program_side)
        os.close(self.screen)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal."""
    with closing(Terminal()) as opened:
        yield opened


def test_a_terminal_shows_the_count_and_the_rate(terminal: Terminal) -> None:
    clock = Clock()
    with Progress(terminal.writer, clock) as progress:
        clock.seconds += 2
        progress.show(90_000)
        assert terminal.read("\x1b[K") == "\r90,000 orders, 45,000 a second\x1b[K"
    assert terminal.read("\x1b[K") == CLEARED


def test_the_display_is_cleared_when_the_work_fails(terminal: Terminal) -> None:
    def fail() -> None:
        clock = Clock()
        with Progress(terminal.writer, clock) as progress:
            clock.seconds += 1
            progress.show(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert terminal.read(CLEARED) == f"\r1 orders, 1 a second\x1b[K{CLEARED}"


def test_it_changes_at_most_ten_times_a_second(terminal: Terminal) -> None:
    clock = Clock()
    progress = Progress(terminal.writer, clock)
    for count in range(100):
        progress.show(count)
        clock.seconds += 1 / 32
    progress.clear()
    shown = [int(each) for each in re.findall(r"(\d+) orders", terminal.read(CLEARED))]
    # Each fourth of these is the first that is a tenth of a second younger than the last one.
    assert shown == list(range(4, 100, 4))


def test_a_display_never_shown_is_not_cleared(terminal: Terminal) -> None:
    clock = Clock()
    with Progress(terminal.writer, clock) as progress:
        progress.show(1)
        progress.clear()
    terminal.writer.write("end")
    terminal.writer.flush()
    assert terminal.read("end") == "end"


def test_a_file_or_a_pipe_shows_nothing() -> None:
    clock, file = Clock(), StringIO()
    with Progress(file, clock) as progress:
        clock.seconds += 60
        progress.show(1_000_000)
    assert file.getvalue() == ""


def test_a_long_import_shows_its_progress_and_leaves_only_its_result(
    orders: Orders,
    terminal: Terminal,
) -> None:
    # A refused row at the end of each batch: it must not be written into the display.
    number = 0
    with orders.start(
        *("import", "-"),
        stdin=subprocess.PIPE,
        stderr=terminal.program_side,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"id,amount\n")
        seen = ""
        os.set_blocking(terminal.screen, False)
        while "orders, " not in seen:
            rows = [b"A-%d,1\n" % (number + each) for each in range(BATCH - 1)]
            number += BATCH
            process.stdin.write(b"".join(rows) + b"refused\n")
            process.stdin.flush()
            with suppress(BlockingIOError):
                seen += os.read(terminal.screen, 4096).decode()
        process.stdin.close()
        os.set_blocking(terminal.screen, True)
        seen += terminal.read("malformed\n")
    assert process.returncode == Exit.REFUSED
    assert re.search(r"\r[0-9,]+ orders, [0-9,]+ a second\x1b\[K", seen)
    left = re.sub(r"\r[^\n\x1b]*\x1b\[K", "", seen).splitlines()
    assert all(line.startswith("orders: ") for line in left)


def test_a_long_export_shows_its_progress_beside_its_output(
    orders: Orders,
    terminal: Terminal,
) -> None:
    with closing(SqliteStore(orders.folder / "orders.db")) as store:
        place_each(store, [Order(f"A-{number}", 1) for number in range(12_000)])
    with orders.start("export", stderr=terminal.program_side) as process:
        assert process.stdout is not None
        # It waits for its reader, who gives it time until it has shown something.
        out = piece = process.stdout.read(_PIECE)
        while piece and not terminal.has_shown(SECONDS_BETWEEN):
            piece = process.stdout.read(_PIECE)
            out += piece
        out += process.communicate()[0]
    assert process.returncode == Exit.DONE
    assert out.count(b'{"id":"A-') == out.count(b"\n") == 12_000
    assert re.fullmatch(
        r"(\r[0-9,]+ orders, [0-9,]+ a second\x1b\[K)+\r\x1b\[Korders: 12,000 orders written\n",
        terminal.read("written\n"),
    )
