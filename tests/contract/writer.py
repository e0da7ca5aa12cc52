"""A process that adds orders until it is killed, and says which were acknowledged."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from orders_core import Order
from tests.contract.data import Data


def batch(number: int, size: int) -> list[Order]:
    """Make the orders of the batch with this number."""
    return [Order(f"{number:06}-{position:03}", number) for position in range(size)]


def add_for_ever(data: Data, size: int, acknowledgements: Connection, *, atomic: bool) -> None:
    """Add batch after batch; send the number of each when it is reported as stored."""
    store = data.open()
    for number in count():
        store.add(batch(number, size), atomic=atomic)
        acknowledgements.send(number)


@contextmanager
def writing(data: Data, size: int, *, atomic: bool) -> Iterator[tuple[BaseProcess, Connection]]:
    """Start such a process; return it and the connection on which it sends the numbers."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=add_for_ever,
        args=(data, size, sender),
        kwargs={"atomic": atomic},
    )
    process.start()
    # Only the process has the other end, so that its death ends the messages.
    sender.close()
    try:
        yield process, receiver
    finally:
        process.kill()
        process.join()
        receiver.close()
