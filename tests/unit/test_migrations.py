"""Migrations are numbered files."""

from pathlib import Path

import pytest

from orders_core.migrations import numbered


def test_migrations_are_ordered_by_number(tmp_path: Path) -> None:
    for name in ("0002_more.sql", "0001_first.sql"):
        (tmp_path / name).write_text(f"-- {name}", "utf-8")
    found = numbered(tmp_path.iterdir())
    assert [(each.version, each.name) for each in found] == [
        (1, "0001_first.sql"),
        (2, "0002_more.sql"),
    ]
    assert found[0].sql == "-- 0001_first.sql"


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["0002_late.sql"], "0002_late.sql should have the number 0001"),
        (["0001_a.sql", "0003_c.sql"], "0003_c.sql should have the number 0002"),
        (["0001_a.sql", "0001_b.sql"], "0001_b.sql should have the number 0002"),
        (["1_a.sql"], "named like 0001_orders.sql, not 1_a.sql"),
        (["0001_a.txt"], "named like 0001_orders.sql, not 0001_a.txt"),
    ],
)
def test_a_gap_in_the_numbers_or_a_wrong_name_is_refused(
    tmp_path: Path,
    names: list[str],
    problem: str,
) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=problem):
        numbered(tmp_path.iterdir())
