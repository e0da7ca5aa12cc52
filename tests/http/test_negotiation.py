"""The choice of a media type, compared with an independent reading of RFC 9110, section 12.5.1."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_http.api.negotiation import choose
from orders_http.api.problems import Problem, ProblemType
from orders_records import MediaType

OFFERED = list(MediaType)
RANGES = st.sampled_from(
    [
        *("application/json", "application/x-ndjson", "text/csv", "TEXT/CSV", "application/*"),
        *("text/*", "*/*", "*", "image/png", "text/html"),
    ],
)
QUALITIES = st.none() | st.sampled_from(
    ["0", "0.", "0.0", "0.001", "0.5", ".5", "0.999", "1", "1.", "1.000"]
)


def quality_of(ranges: list[tuple[str, Fraction]], media_type: str) -> Fraction:
    """Let the closest range decide: the type itself, else its kind, else all."""
    kind = media_type.partition("/")[0]
    for closest in ({media_type}, {f"{kind}/*"}, {"*/*", "*"}):
        qualities = [quality for name, quality in ranges if name.lower() in closest]
        if qualities:
            return max(qualities)
    return Fraction(0)


@given(
    st.lists(st.tuples(RANGES, QUALITIES), min_size=1, max_size=5), st.sampled_from([",", " , "])
)
def test_the_type_that_the_client_prefers_is_chosen(
    elements: list[tuple[str, str | None]],
    comma: str,
) -> None:
    accept = comma.join(
        name if quality is None else f"{name}; q={quality}" for name, quality in elements
    )
    ranges = [(name, Fraction(f"0{quality or 1}")) for name, quality in elements]
    qualities = [quality_of(ranges, media_type.value) for media_type in OFFERED]
    if max(qualities) == 0:
        with pytest.raises(Problem) as refused:
            choose(accept, OFFERED)
        assert refused.value.type is ProblemType.NOT_ACCEPTABLE
    else:
        assert choose(accept, OFFERED) is OFFERED[qualities.index(max(qualities))]


@pytest.mark.parametrize("accept", [None, "", " ", ",", " , ,"])
def test_a_client_without_an_accept_header_accepts_anything(accept: str | None) -> None:
    if accept is not None and accept.strip():
        # An empty list names no type that is accepted.
        with pytest.raises(Problem):
            choose(accept, OFFERED)
    else:
        assert choose(accept, OFFERED) is MediaType.JSON


@pytest.mark.parametrize(
    "accept",
    [
        "text",
        "text/",
        "/csv",
        "text/csv;q=2",
        "text/csv;q=1.5",
        "text/csv;q=0.1234",
        "text/csv;q=",
        "text/csv;q=.",
        "text/csv;q=x",
        "text csv",
        "text/c\xe9v",
        "text/csv;q=0.5, (",
    ],
)
def test_an_invalid_accept_header_is_refused(accept: str) -> None:
    with pytest.raises(Problem) as refused:
        choose(accept, OFFERED)
    assert refused.value.type is ProblemType.MALFORMED_REQUEST


def test_other_parameters_of_a_range_are_ignored() -> None:
    assert choose("text/csv; header=present;Q=1;", OFFERED) is MediaType.CSV


def test_the_accept_header_of_javas_own_client_is_accepted() -> None:
    accept = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
    assert choose(accept, OFFERED) is MediaType.JSON
