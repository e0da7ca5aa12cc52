"""Whatever a client sends, it harms no other client."""

import json

import pytest

from tests.http.hostile_requests import HostileRequest, all_requests
from tests.http.wire import only_response
from tests.service_process import RunningService

CORPUS = all_requests()


def test_the_corpus_is_large_and_has_no_duplicates() -> None:
    assert len(CORPUS) >= 200
    assert len({request.name for request in CORPUS}) == len(CORPUS)
    assert len({request.raw for request in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("request_", CORPUS, ids=lambda request: request.name)
def test_a_hostile_request_gets_one_clear_answer_and_harms_no_other_client(
    service: RunningService,
    request_: HostileRequest,
) -> None:
    response = only_response(service, request_.raw)
    # An order that an earlier request stored is a replay.
    stored = {200, 201} if request_.status == 201 else {request_.status}
    assert response.status in stored, response.body
    if response.status >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        problem = json.loads(response.body)
        assert problem["status"] == response.status
        assert problem["detail"] == problem["error"] != ""
    assert service.is_running()
    health = service.connect()
    try:
        health.request("GET", "/health")
        assert health.getresponse().status == 200
    finally:
        health.close()
