"""Nothing that the service reads can be written so that its readers fail or disagree."""

import pytest

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_read_as_expected(name: str) -> None:
    target = TARGETS[name]
    for content in (*target.seeds, *target.words):
        target.check(content)


def test_the_shares_of_the_targets_sum_to_100() -> None:
    assert sum(target.share for target in TARGETS.values()) == 100


def test_every_seed_is_short_enough_to_be_tried() -> None:
    for target in TARGETS.values():
        assert all(len(seed) <= target.max_bytes for seed in target.seeds)
