"""The fixtures that several folders of tests share."""

import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Final

import pytest
from hypothesis import settings

pytest_plugins = ["tests.debian_package", "tests.postgres_fixtures"]

# Python ignores them itself, and gives their defaults back to what `subprocess` starts.
_OF_PYTHON: Final = frozenset({signal.SIGPIPE, signal.SIGXFSZ})


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Name the sizes of property tests; `--hypothesis-profile=long` chooses the larger one."""
    # Without a deadline: a slow machine is no defect.
    settings.register_profile("gate", deadline=None, stateful_step_count=25)
    settings.register_profile("long", deadline=None, max_examples=2_000, stateful_step_count=50)
    settings.load_profile("gate")


@pytest.fixture(scope="session", autouse=True)
def _default_signals() -> Iterator[None]:
    """Let what the tests start begin with the default of every signal, and none blocked.

    Both are inherited: a shell lets `make test &` ignore SIGINT, and nohup SIGHUP. This process
    goes on to ignore them, but by a handler, for which exec(2) puts the default.
    """
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    ignored = [
        number
        for number in signal.valid_signals() - _OF_PYTHON
        if signal.getsignal(number) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, _pass_over)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _pass_over(_number: int, _frame: FrameType | None) -> None:
    """Do what ignoring does."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With another Python for the service, leave out the modules that start nothing on it."""
    if "SERVICE_PYTHON" not in os.environ:
        return
    starting = {"SERVICE_PYTHON", "RunningService", "running_service", "Orders", "open_stage"}
    kept = [item for item in items if not starting.isdisjoint(vars(_module_of(item)))]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _module_of(item: pytest.Item) -> object:
    module = item.getparent(pytest.Module)
    assert module is not None
    return module.obj
