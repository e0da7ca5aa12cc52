"""Access to a store's connections without its private names, and to those of other processes."""

import multiprocessing
import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def for_each_new_connection(call: Callable[[sqlite3.Connection], None]) -> None:
    """Call a function with every SQLite connection that this process opens from now on.

    CPython announces each to audit hooks (Python, "Audit events table"). Hooks cannot be removed:
    use this in a separate process.
    """

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "sqlite3.connect/handle" and isinstance(arguments[0], sqlite3.Connection):
            call(arguments[0])

    sys.addaudithook(note)


def in_a_process_of_its_own(
    function: Callable[[Argument], Result],
    argument: Argument,
) -> Result:
    """Call a function in a separate process and return its result."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, argument).result()


def hold_the_write_lock(path: Path, signals: Connection) -> None:
    """Hold the lock, as a separate process, from one message to the next."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        signals.send("held")
        signals.recv()


@contextmanager
def write_locked(path: Path) -> Iterator[None]:
    """Let another process hold the file's write lock during the context."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=hold_the_write_lock, args=(path, there))
    process.start()
    there.close()
    with closing(here):
        assert here.recv() == "held"
        yield
        here.send("enough")
        process.join()
    assert process.exitcode == 0
