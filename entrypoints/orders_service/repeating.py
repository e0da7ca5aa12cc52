"""Repeats an action on a thread of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def repeating(do: Callable[[], None], seconds: float, name: str) -> Iterator[Thread]:
    """Repeat an action while the block runs, the first time immediately.

    Args:
        do: The action. It must not raise.
        seconds: How long to wait between the end of one run and the next.
        name: The name of the thread.

    Yields:
        The thread.
    """
    ended = Event()

    def keep_doing() -> None:
        while True:
            do()
            if ended.wait(seconds):
                return

    # A daemon: the process can end although an action waits, for example for a database.
    thread = Thread(target=keep_doing, name=name, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        ended.set()
