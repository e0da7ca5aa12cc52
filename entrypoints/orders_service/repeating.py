"""Does something again and again beside what else a process does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def repeating(do: Callable[[], None], seconds: float, name: str) -> Iterator[Thread]:
    """Do something at once and then again and again while the block runs.

    Args:
        do: What is done. It raises nothing.
        seconds: How long to wait between the end of one time and the next.
        name: What its thread is called.

    Yields:
        The thread that does it.
    """
    ended = Event()

    def keep_doing() -> None:
        while True:
            do()
            if ended.wait(seconds):
                return

    # A daemon: the end of the process need not wait for what waits for a database, for example.
    thread = Thread(target=keep_doing, name=name, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        ended.set()
