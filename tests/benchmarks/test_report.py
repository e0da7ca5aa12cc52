"""The targets are judged by unrounded figures, and the report shows all results."""

from pathlib import Path

import pytest
from attrs import evolve

from benchmarks.bars import Bar, bars
from benchmarks.report import BEGIN, END, MissingMarkers, figure, insert, report
from tests.benchmarks.examples import RESULTS, sample


def bar(what: str) -> Bar:
    (found,) = [each for each in bars(RESULTS) if what in each.what]
    return found


def test_a_target_that_is_just_reached_is_met() -> None:
    assert bar("POST, req/s at 32 connections: Orders / FastAPI").is_met is True


def test_a_target_that_is_narrowly_missed_is_not_met() -> None:
    missed = bar("POST, req/s at 32 connections: Orders / pgbench")
    assert missed.found is not None
    assert figure(missed.found) == "0.40"
    assert missed.is_met is False


def test_an_upper_limit_is_met_by_less() -> None:
    assert bar("start-up").is_met is True
    assert bar("the page, latency").is_met is False


def test_an_import_is_compared_by_rows_per_second() -> None:
    assert bar("orders import, CSV: rows/s").found == pytest.approx(0.5)


def test_a_target_without_a_measured_peer_is_neither_met_nor_missed() -> None:
    assert bar("GET one, req/s at 32 connections: Orders / FastAPI").is_met is None


def test_the_report_shows_figures_verdicts_and_missing_servers() -> None:
    written = report(RESULTS, "plot.svg")
    assert "| Orders | 32 | 2,500 | 1.50 | 0.40 | 120 | 30.0 | 0 |" in written
    assert "| start-up to the first answer | at most 500 ms | 400 ms | met |" in written
    assert "Not measured: Orders on PyPy: there is none." in written
    assert "0123456789ab" in written
    assert "(plot.svg)" in written


def test_the_report_counts_every_error() -> None:
    wrong = evolve(RESULTS, samples=[*RESULTS.samples, sample("orders", requests=1, errors=7)])
    assert "Failed requests in the whole run: 7." in report(wrong, None)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "-"),
        (0.0, "0.00"),
        (0.123, "0.12"),
        (9.876, "9.88"),
        (12.34, "12.3"),
        (123.4, "123"),
        (12345.6, "12,346"),
    ],
)
def test_a_figure_has_three_significant_digits_or_all_of_a_large_number(
    value: float | None, written: str
) -> None:
    assert figure(value) == written


def test_a_report_replaces_the_previous_one_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    insert("new\n", page)
    insert("newer\n", page)
    assert page.read_text() == f"before\n{BEGIN}\n\nnewer\n\n{END}\nafter\n"


def test_a_page_without_markers_stays_unchanged(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{END}\n{BEGIN}\n")
    with pytest.raises(MissingMarkers):
        insert("new\n", page)
    assert page.read_text() == f"{END}\n{BEGIN}\n"
