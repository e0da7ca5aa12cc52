"""The fixtures that several folders of tests share."""

import pytest
from hypothesis import settings

pytest_plugins = ["tests.debian_package", "tests.postgres_fixtures"]


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Name the sizes of property tests; `--hypothesis-profile=long` chooses the larger one."""
    # Without a deadline: a slow machine is no defect.
    settings.register_profile("gate", deadline=None, stateful_step_count=25)
    settings.register_profile("long", deadline=None, max_examples=2_000, stateful_step_count=50)
    settings.load_profile("gate")
