"""A missing library is named with the extra that brings it; other modules are not hidden."""

import pytest

from orders_core.missing_extras import MissingExtra, needing


@pytest.mark.parametrize("module", ["no_such_library", "no_such_library.part"])
def test_a_missing_library_is_named_with_its_extra(module: str) -> None:
    with pytest.raises(MissingExtra) as raised, needing("mine", "other", "no_such_library"):
        __import__(module)
    assert raised.value.library == raised.value.name == "no_such_library"
    assert "the extra mine brings it: run pip install '.[mine]' in a clone" in str(raised.value)


def test_the_error_for_another_missing_module_is_not_changed() -> None:
    with pytest.raises(ModuleNotFoundError) as raised, needing("mine", "other"):
        __import__("no_such_library")
    assert str(raised.value) == "No module named 'no_such_library'"
    assert not isinstance(raised.value, MissingExtra)


def test_nothing_happens_when_every_library_is_installed() -> None:
    with needing("mine", "attrs"):
        __import__("attrs")
