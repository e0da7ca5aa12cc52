"""The service behaves on PyPy as on CPython."""

import json
from contextlib import closing
from http.client import HTTPResponse

import pytest

from tests.faults.traffic import traffic
from tests.service_process import RunningService

ORDERS = 200
JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}


def ask(
    service: RunningService,
    method: str,
    target: str,
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[HTTPResponse, str]:
    with closing(service.connect()) as client:
        client.request(method, target, body, headers or JSON)
        response = client.getresponse()
        return response, response.read().decode()


def test_an_order_is_created_once_replayed_and_never_changed(service: RunningService) -> None:
    order = '{"id": "A-1", "amount": 12.30}'
    created, _ = ask(service, "POST", "/orders", order)
    assert (created.status, created.getheader("Location")) == (201, "/orders/A-1")
    replayed, _ = ask(service, "POST", "/orders", order)
    assert (replayed.status, replayed.getheader("Idempotent-Replayed")) == (200, "true")
    conflict, _ = ask(service, "POST", "/orders", '{"id": "A-1", "amount": 12.31}')
    assert conflict.status == 409
    found, body = ask(service, "GET", "/orders/A-1")
    assert (found.status, body) == (200, '{"id":"A-1","amount":12.30}')
    missing, _ = ask(service, "GET", "/orders/A-2")
    assert missing.status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"id": "A", "amount": 1.005}', 422),
        ('{"id": "A", "amount": NaN}', 400),
        ('{"id": "A", "id": "A", "amount": 1}', 400),
        ("[" * 1_000, 400),
        ("\xff", 400),
    ],
)
def test_an_invalid_order_is_refused(service: RunningService, body: str, status: int) -> None:
    response, _ = ask(service, "POST", "/orders", body)
    assert response.status == status


def test_orders_sent_as_csv_are_in_the_list_and_on_the_page(service: RunningService) -> None:
    stored, _ = ask(service, "POST", "/orders", "id,amount\n0-b,2.5\n0-a,1\n", CSV)
    assert stored.status == 200
    listed, body = ask(service, "GET", "/orders?limit=2")
    assert listed.status == 200
    assert body == '[{"id":"0-a","amount":1.00},{"id":"0-b","amount":2.50}]'
    page, html = ask(service, "GET", "/")
    assert page.status == 200
    assert "0-b" in html


def test_the_probes_and_the_metrics_answer(service: RunningService) -> None:
    answers = {}
    for path in ("/livez", "/readyz", "/metrics"):
        with closing(service.connect_operations()) as probe:
            probe.request("GET", path)
            response = probe.getresponse()
            answers[path] = response.read().decode()
            assert response.status == 200, path
    assert 'implementation="PyPy"' in answers["/metrics"]


def test_a_service_stopped_under_load_answers_every_accepted_request(
    service: RunningService,
) -> None:
    with traffic(service) as clients:
        clients.wait_for_orders(ORDERS)
        service.stop()
    clients.assert_expected()
    service.start()
    _, body = ask(service, "GET", "/orders")
    stored = {each["id"]: each["amount"] for each in json.loads(body, parse_float=str)}
    # Every accepted request was answered, so everything stored was acknowledged.
    assert {each: stored[each] for each in stored if each in clients.sent} == clients.acknowledged
