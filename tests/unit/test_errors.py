import copy
import pickle
from collections.abc import Iterator

import pytest

import orders_core
from orders_core import (
    InvalidOrder,
    InvalidPage,
    OrderConflict,
    OrderNotFound,
    OrdersError,
    Reason,
    StoreUnavailable,
    Violation,
)
from orders_core import errors as tree

EXAMPLES: list[OrdersError] = [
    OrdersError("something"),
    InvalidOrder(Violation("id", "is empty"), Violation("amount", "is negative")),
    InvalidPage("limit must be 1 or more"),
    OrderNotFound("A-1"),
    OrderConflict((0, 2), ("A-1", "A-3")),
    StoreUnavailable(Reason.TIMEOUT, "no answer in time"),
]


def classes(root: type[OrdersError]) -> Iterator[type[OrdersError]]:
    yield root
    for each in root.__subclasses__():
        yield from classes(each)


def own_classes() -> set[type[OrdersError]]:
    return {each for each in classes(OrdersError) if each.__module__.startswith("orders_core.")}


def test_every_exception_of_the_core_is_an_orders_error() -> None:
    exceptions = {
        each
        for each in vars(tree).values()
        if isinstance(each, type) and issubclass(each, BaseException)
    }
    assert exceptions == own_classes()


def test_every_error_says_what_it_means() -> None:
    for each in classes(OrdersError):
        assert "__doc__" in vars(each)
        assert (each.__doc__ or "").strip(), each


def test_every_error_of_the_core_can_be_imported_from_the_package() -> None:
    for each in own_classes():
        assert getattr(orders_core, each.__name__) is each
        assert each.__name__ in orders_core.__all__


def test_every_error_of_the_core_has_an_example_here() -> None:
    assert {type(each) for each in EXAMPLES} == own_classes()


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_and_copying(error: OrdersError) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


def test_messages_name_what_is_wrong() -> None:
    assert list(map(str, EXAMPLES)) == [
        "something",
        "id is empty; amount is negative",
        "limit must be 1 or more",
        "no order has the id 'A-1'",
        (
            "order 'A-1' is already stored with another amount; "
            "order 'A-3' is already stored with another amount"
        ),
        "no answer in time",
    ]


def test_errors_are_also_the_matching_builtin_exceptions() -> None:
    assert issubclass(InvalidOrder, ValueError)
    assert issubclass(InvalidPage, ValueError)
    assert issubclass(OrderNotFound, LookupError)


def test_the_reasons_are_stable() -> None:
    assert {each.value for each in Reason} == {
        "unreachable",
        "timeout",
        "tls",
        "refused",
        "schema",
        "read-only",
        "exhausted",
        "pool",
        "failed",
    }
