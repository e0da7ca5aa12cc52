"""All tests of a host or a cluster run in one process."""

from collections import Counter

import pytest

pytest_plugins = ["pytester"]

GROUPED = """
import pytest
@pytest.mark.xdist_group("a host")
@pytest.mark.parametrize("number", range(20))
def test_on_a_host(number: int, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    note = tmp_path_factory.getbasetemp().parent / f"{__name__}-{number}.worker"
    note.write_text(worker_id)
"""


def test_the_tests_of_a_group_run_in_one_process(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(test_a=GROUPED, test_b=GROUPED)
    arguments = ("-p", "xdist.plugin", "-n", "2", "--dist=loadgroup", "--basetemp=made")
    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=40)
    workers = Counter(file.read_text() for file in (pytester.path / "made").glob("*.worker"))
    assert list(workers.values()) == [40]
