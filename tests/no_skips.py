"""A pytest plugin: if the variable CI is set, a skipped test fails.

Without PostgreSQL or a browser, a run proves less than it seems to. Developers may skip those
tests; the gate may not.
"""

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge a test's report."""
    return _failed_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge a module's report: a module may skip all its tests at once."""
    return _failed_if_skipped((yield))


def _failed_if_skipped(report: Report) -> Report:
    # pytest also reports expected failures as skipped, with an attribute `wasxfail`.
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        match report.longrepr:
            case (path, line, reason):
                report.longrepr = f"{path}:{line}: {reason} - in CI nothing may be skipped"
    return report
