import doctest

import orders_core


def test_the_example_in_the_package_docstring_works() -> None:
    result = doctest.testmod(orders_core)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_package_exports_exactly_what_it_lists() -> None:
    public = {
        name
        for name, value in vars(orders_core).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("orders_core.")
    }
    assert public <= set(orders_core.__all__)
    assert all(hasattr(orders_core, name) for name in orders_core.__all__)
