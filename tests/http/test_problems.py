"""The catalogue of problems is complete, and problems conform to RFC 9457."""

import json
import re

import pytest

from orders_http.api.problems import Problem, ProblemType
from tests.service_python import ROOT


def test_the_catalogue_has_every_type_with_its_status_and_no_other() -> None:
    text = (ROOT / "docs" / "problems.md").read_text("utf-8")
    listed = re.findall(r"^## ([0-9]{3}) `([a-z:-]+)`$", text, re.MULTILINE)
    assert listed == [(str(each.status.value), each.uri) for each in ProblemType]
    assert len(listed) == len(re.findall(r"^## ", text, re.MULTILINE))


def test_every_type_has_a_unique_uri() -> None:
    uris = [each.uri for each in ProblemType]
    assert len(set(uris)) == len(uris)
    assert all(re.fullmatch(r"urn:problem-type:orders:[a-z]+(-[a-z]+)*", uri) for uri in uris)


@pytest.mark.parametrize("problem_type", ProblemType)
def test_a_problem_has_the_members_of_the_standard_and_error(problem_type: ProblemType) -> None:
    members = json.loads(Problem(problem_type, 'what "was" wrong: é').body())
    assert members == {
        "type": problem_type.uri,
        "title": problem_type.title,
        "status": problem_type.status.value,
        "detail": 'what "was" wrong: é',
        "error": 'what "was" wrong: é',
    }


def test_a_problem_lists_every_error() -> None:
    errors = ({"line": 1, "detail": "a"}, {"line": 2, "detail": "b"})
    assert json.loads(Problem(ProblemType.INVALID_ORDER, "a", errors).body())["errors"] == [*errors]


def test_a_problem_is_always_ascii() -> None:
    assert Problem(ProblemType.NOT_FOUND, "\ud800 \x1b é").body().isascii()
