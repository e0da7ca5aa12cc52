from orders_core import Amount, Order, OrderId, Outcome, judge

CREATED, REPLAYED, CONFLICT = Outcome.CREATED, Outcome.REPLAYED, Outcome.CONFLICT


def test_an_empty_batch_has_no_outcomes() -> None:
    assert judge([], {}) == ()


def test_an_order_that_was_not_stored_is_created() -> None:
    assert judge([Order("a", 1), Order("b", 1)], {}) == (CREATED, CREATED)


def test_an_order_that_was_stored_is_replayed_or_in_conflict() -> None:
    stored = {OrderId("a"): Amount(1), OrderId("b"): Amount(1)}
    assert judge([Order("a", 1), Order("b", 2), Order("c", 2)], stored) == (
        REPLAYED,
        CONFLICT,
        CREATED,
    )


def test_the_first_order_of_an_id_counts_as_stored_for_the_next_ones() -> None:
    orders = [Order("a", 1), Order("a", 2), Order("a", 1)]
    assert judge(orders, {}) == (CREATED, CONFLICT, REPLAYED)


def test_an_order_stored_before_the_batch_counts_more_than_the_first_in_it() -> None:
    orders = [Order("a", 1), Order("a", 2), Order("a", 1)]
    assert judge(orders, {OrderId("a"): Amount(2)}) == (CONFLICT, REPLAYED, CONFLICT)


def test_an_order_of_zero_counts_as_stored() -> None:
    assert judge([Order("a", 0), Order("a", 0), Order("a", 1)], {}) == (
        CREATED,
        REPLAYED,
        CONFLICT,
    )


def test_judging_changes_none_of_its_arguments() -> None:
    stored: dict[OrderId, Amount] = {}
    judge([Order("a", 1)], stored)
    assert stored == {}


def test_the_outcomes_are_stable() -> None:
    assert {each.value for each in Outcome} == {"created", "replayed", "conflict"}
