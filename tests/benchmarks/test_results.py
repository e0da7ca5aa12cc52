"""Medians, percentiles, and files that can be read back."""

from pathlib import Path
from statistics import median

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.compare import compared
from benchmarks.results import Cell, Load, Results, Transfer, percentile
from tests.benchmarks.examples import RESULTS, sample


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed(
    values: list[float], percent: int
) -> None:
    values.sort()
    found = percentile(values, percent)
    enough = len(values) * percent
    assert sum(each <= found for each in values) * 100 >= enough
    assert sum(each < found for each in values) * 100 < enough


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=9))
def test_a_cell_has_the_medians_of_its_rounds_and_the_sum_of_errors(rates: list[int]) -> None:
    cell = Cell.of([sample("orders", requests=rate, errors=1) for rate in rates])
    assert cell.requests_per_second == pytest.approx(median(rates))
    assert cell.errors == len(rates)


def test_a_server_that_was_not_measured_has_no_cell() -> None:
    assert RESULTS.cell("fastapi", Load.PLACE, 999) is None


def test_a_transfer_has_the_median_time_and_the_peak_memory() -> None:
    rounds = [Transfer("copy", 10, seconds, peak) for seconds, peak in ((1, 7), (5, 8), (2, 6))]
    assert evolve(RESULTS, transfers=rounds).transfer("copy", 10) == Transfer("copy", 10, 2, 8)


def test_results_are_read_back_from_a_file_unchanged(tmp_path: Path) -> None:
    RESULTS.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == RESULTS


def test_a_comparison_divides_the_later_run_by_the_earlier_one() -> None:
    faster = evolve(RESULTS, samples=[sample("orders", requests=300)])
    slower = evolve(RESULTS, samples=[sample("orders", requests=100)])
    assert "| POST | 32 | orders | 100 | 300 | 3.00 |" in compared(slower, faster)
