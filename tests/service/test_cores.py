"""The number of usable cores: the affinity and the control groups both count."""

import os
from pathlib import Path

import pytest

from orders_service.cores import usable_cores

ALLOWED = len(os.sched_getaffinity(0))


def control_group(folder: Path, limits: dict[str, str], own: str) -> int:
    """Count in a tree of control groups with these limits, from the group `own`."""
    for name, limit in limits.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "cpu.max").write_text(limit)
    own_groups = folder / "own"
    own_groups.write_text(f"1:name=systemd:/other\n0::/{own}\n")
    return usable_cores(own_groups, folder)


def test_without_a_limit_the_cores_of_the_affinity_count(tmp_path: Path) -> None:
    assert control_group(tmp_path, {"a/b": "max 100000\n"}, "a/b") == ALLOWED
    assert usable_cores(tmp_path / "nothing", tmp_path) == ALLOWED


@pytest.mark.parametrize("limit", ["100000 100000\n", "50000 100000\n", "1000 100000\n"])
def test_the_time_of_one_core_or_less_is_one_core(tmp_path: Path, limit: str) -> None:
    assert control_group(tmp_path, {"a": limit}, "a") == 1


def test_a_fraction_of_a_core_counts_as_a_whole_one(tmp_path: Path) -> None:
    found = control_group(tmp_path, {"a": "110000 100000\n"}, "a")
    assert found == min(2, ALLOWED)


@pytest.mark.parametrize("limits", [{"a": "100000 100000", "a/b": "max 100000"}, {".": "1 1"}])
def test_the_limit_of_a_parent_group_counts(tmp_path: Path, limits: dict[str, str]) -> None:
    assert control_group(tmp_path, limits, "a/b") == 1


def test_an_unreadable_limit_is_ignored(tmp_path: Path) -> None:
    assert control_group(tmp_path, {"a": "nonsense\n"}, "a") == ALLOWED


@pytest.mark.parametrize(("quota", "cores"), [("100000\n", 1), ("-1\n", ALLOWED)])
def test_version_1_of_control_groups_counts_too(tmp_path: Path, quota: str, cores: int) -> None:
    group = tmp_path / "cpu" / "a"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text(quota)
    (group / "cpu.cfs_period_us").write_text("100000\n")
    own_groups = tmp_path / "own"
    own_groups.write_text("5:cpu,cpuacct:/a\n4:memory:/b\n")
    assert usable_cores(own_groups, tmp_path) == cores


def test_the_affinity_is_read_from_the_kernels_status(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    status = tmp_path / "status"
    for text, cores in (
        ("Name:\ta\nCpus_allowed:\t5\nCpus_allowed_list:\t0,2\n", 2),
        ("Cpus_allowed:\tffff,ffffffff\n", 48),
        ("Name:\ta\n", os.cpu_count()),
    ):
        status.write_text(text)
        assert usable_cores(nothing, tmp_path, status) == cores
    assert usable_cores(nothing, tmp_path, nothing) == os.cpu_count()


def test_on_this_machine_it_matches_the_affinity() -> None:
    assert 1 <= usable_cores() <= ALLOWED
