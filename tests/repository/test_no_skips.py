"""In CI, a skipped test fails the run."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]

PASSES = """
def test_passes() -> None: ...
"""
SKIPS_A_TEST = """
import pytest
def test_needs_a_server() -> None:
    pytest.skip("no server here")
"""
SKIPS_BY_A_MARK = """
import pytest
@pytest.mark.skip(reason="no server here")
def test_needs_a_server() -> None: ...
"""
SKIPS_IN_A_FIXTURE = """
import pytest
@pytest.fixture
def server() -> None:
    pytest.skip("no server here")
def test_needs_a_server(server: None) -> None: ...
"""
SKIPS_A_MODULE = """
import pytest
pytest.skip("no server here", allow_module_level=True)
"""
FAILS_AS_EXPECTED = """
import pytest
@pytest.mark.xfail(reason="known")
def test_fails() -> None:
    raise AssertionError
"""

ALONE = ("-p", "tests.no_skips")
IN_PARALLEL = (*ALONE, "-p", "xdist.plugin", "-n", "2")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A separate project whose run loads only the plugins that it names."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("CI", "true")
    return pytester


@pytest.mark.parametrize("arguments", [ALONE, IN_PARALLEL], ids=["alone", "in parallel"])
def test_every_kind_of_skip_fails_in_ci_and_shows_its_reason(
    project: pytest.Pytester,
    arguments: tuple[str, ...],
) -> None:
    project.makepyfile(
        test_passes=PASSES,
        test_skip=SKIPS_A_TEST,
        test_mark=SKIPS_BY_A_MARK,
        test_fixture=SKIPS_IN_A_FIXTURE,
        test_module=SKIPS_A_MODULE,
    )
    # Otherwise a module that cannot be collected ends the run before any test.
    result = project.runpytest_subprocess("--continue-on-collection-errors", *arguments)
    result.assert_outcomes(passed=1, failed=1, errors=3)
    for test in ("test_skip", "test_mark", "test_fixture", "test_module"):
        result.stdout.re_match_lines(rf".*{test}\.py:\d+: Skipped: no server here - in CI .*")


def test_a_skip_is_allowed_outside_ci(
    project: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI")
    project.makepyfile(test_passes=PASSES, test_skip=SKIPS_A_TEST, test_module=SKIPS_A_MODULE)
    result = project.runpytest_subprocess(*ALONE)
    result.assert_outcomes(passed=1, skipped=2)
    assert result.ret == pytest.ExitCode.OK


def test_an_expected_failure_is_not_a_skip(project: pytest.Pytester) -> None:
    project.makepyfile(test_passes=PASSES, test_fails=FAILS_AS_EXPECTED)
    result = project.runpytest_subprocess(*ALONE)
    result.assert_outcomes(passed=1, xfailed=1)
    assert result.ret == pytest.ExitCode.OK
