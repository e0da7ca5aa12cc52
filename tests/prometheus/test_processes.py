"""Counts outlive the processes that made them."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.prometheus.exposition import exact_seconds, samples
from tests.service_python import SERVICE_PATH, SERVICE_PYTHON

REQUESTS: Final = "orders_http_request_duration_seconds"

Request = tuple[str, str, int, float]
Count = Callable[[list[list[list[Request]]]], str]

requests = st.tuples(
    st.sampled_from(["/orders", "/orders/<id>", "(none)"]),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from([200, 201, 503]),
    exact_seconds,
)


@st.composite
def generations(draw: st.DrawFn) -> list[list[list[Request]]]:
    """Draw the requests that each process of each generation counts."""
    processes = draw(st.integers(1, 4))
    generation = st.lists(st.lists(requests, max_size=20), min_size=processes, max_size=processes)
    return draw(st.lists(generation, min_size=1, max_size=3))


@pytest.fixture(scope="module")
def count() -> Iterator[Count]:
    """Count requests in forked processes, and return the exposition."""
    with subprocess.Popen(
        [SERVICE_PYTHON, "-m", "tests.prometheus.forking"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SERVICE_PATH},
    ) as program:

        def exposition_of(drawn: list[list[list[Request]]]) -> str:
            assert program.stdin is not None
            assert program.stdout is not None
            program.stdin.write(json.dumps(drawn) + "\n")
            program.stdin.flush()
            return str(json.loads(program.stdout.readline()))

        yield exposition_of


@settings(max_examples=20)
@given(drawn=generations())
def test_the_counts_of_killed_processes_and_their_successors_add_up_exactly(
    count: Count,
    drawn: list[list[list[Request]]],
) -> None:
    text = count(drawn)
    counted = [each for generation in drawn for process in generation for each in process]
    numbers = Counter((route, method, str(status)) for route, method, status, _ in counted)
    found = samples(text, f"{REQUESTS}_count")
    names = ("method", "route", "status")
    assert numbers == {
        (labels["route"], labels["method"], labels["status"]): number
        for labels, number in ((dict(key), number) for key, number in found.items())
        if number
    }
    assert all(tuple(name for name, _ in key) == names for key in found)
    assert sum(samples(text, f"{REQUESTS}_sum").values()) == sum(each[-1] for each in counted)


@settings(max_examples=10)
@given(drawn=generations())
def test_a_successor_begins_with_nothing_in_flight(
    count: Count,
    drawn: list[list[list[Request]]],
) -> None:
    in_flight = samples(count(drawn), "orders_http_requests_in_flight")
    assert in_flight == {(): sum(map(len, drawn[-1]))}


def test_an_ended_process_has_no_figures_from_the_kernel(count: Count) -> None:
    assert "process_" not in count([[[], []]])
