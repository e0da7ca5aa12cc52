"""Calls that are made at once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TypeVar

Result = TypeVar("Result")


def at_once(calls: Sequence[Callable[[], Result]]) -> list[Result]:
    """Make each call in its own thread, all at the same moment.

    Returns:
        Their results in the order given. An exception of any of them is raised.
    """
    start = Barrier(len(calls))

    def run(call: Callable[[], Result]) -> Result:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(run, call) for call in calls]
        return [future.result() for future in futures]


@contextmanager
def in_background(work: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Do the work in a thread; return a function that says whether it is still running.

    Its exception, if any, is raised in the end.
    """
    with ThreadPoolExecutor(1) as pool:
        future: Future[None] = pool.submit(work)
        yield lambda: not future.done()
        future.result()
