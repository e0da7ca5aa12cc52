"""The way to a store's own connections that needs nothing private of it."""

import multiprocessing
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def for_each_new_connection(call: Callable[[sqlite3.Connection], None]) -> None:
    """Make the call with every SQLite connection that this process opens from now on.

    CPython announces each to audit hooks (Python, "Audit events table"). Those are for ever:
    use this in a process of its own.
    """

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "sqlite3.connect/handle" and isinstance(arguments[0], sqlite3.Connection):
            call(arguments[0])

    sys.addaudithook(note)


def in_a_process_of_its_own(
    function: Callable[[Argument], Result],
    argument: Argument,
) -> Result:
    """Call the function there and give its result."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, argument).result()
