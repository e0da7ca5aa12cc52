"""The check of the store for readiness: one at a time, and not too often."""

from threading import Event, Thread

from orders_core import Reason, StoreUnavailable
from orders_http.api.operations import CHECK_SECONDS, StoreCheck
from orders_memory import MemoryStore
from tests.clock import Clock


class CountedStore(MemoryStore):
    """A store that counts its checks, and can be unavailable or slow."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.away = False
        self.entered = Event()
        self.open = Event()
        self.open.set()

    def check(self) -> None:
        self.asked += 1
        self.entered.set()
        assert self.open.wait(30)
        if self.away:
            raise StoreUnavailable(Reason.UNREACHABLE, "gone")


def test_a_result_is_valid_for_one_second() -> None:
    store, clock = CountedStore(), Clock()
    check = StoreCheck(store, clock)
    assert check.problem() is None
    store.away = True
    clock.seconds = CHECK_SECONDS
    assert check.problem() is None
    assert store.asked == 1
    clock.seconds += 0.1
    assert check.problem() == "store: unreachable: gone"
    assert store.asked == 2


def test_a_store_that_is_back_is_noticed_after_a_second() -> None:
    store, clock = CountedStore(), Clock()
    check = StoreCheck(store, clock)
    store.away = True
    assert check.problem() == "store: unreachable: gone"
    store.away = False
    clock.seconds = CHECK_SECONDS + 0.1
    assert check.problem() is None


def test_during_a_check_others_get_the_last_result() -> None:
    store, clock = CountedStore(), Clock()
    check = StoreCheck(store, clock)
    assert check.problem() is None
    store.open.clear()
    store.entered.clear()
    clock.seconds = CHECK_SECONDS + 0.1
    waiting = Thread(target=check.problem)
    waiting.start()
    try:
        assert store.entered.wait(10)
        assert check.problem() is None
        assert store.asked == 2
    finally:
        store.open.set()
        waiting.join()


def test_nothing_is_ready_before_the_first_check() -> None:
    store = CountedStore()
    check = StoreCheck(store)
    store.open.clear()
    waiting = Thread(target=check.problem)
    waiting.start()
    try:
        assert store.entered.wait(10)
        assert check.problem() == "store: not checked yet"
    finally:
        store.open.set()
        waiting.join()
