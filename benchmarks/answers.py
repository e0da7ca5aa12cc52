"""The check before the measurement: each server must answer correctly before it is timed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from attrs import frozen


def _order(order_id: str, amount: str) -> str:
    """Format an order from an id and an amount that are JSON already."""
    return f'{{"id":{order_id},"amount":{amount}}}'


# Bodies that must be refused. A lone surrogate is not among them: FastAPI refuses it too, but then
# fails to write the error, which does not affect its speed.
_REFUSED: Final = (
    *(_order(each, "1") for each in ('""', '" A"', '"A "', '"."', '".."', "7", "null")),
    *(_order(each, "1") for each in (r'"A\u0000B"', r'"A\nB"', r'"A\u0085B"')),
    _order(f'"{"x" * 129}"', "1"),
    *(
        _order('"refused"', each)
        for each in (
            *("-1", "1.005", '"1.005"', "10000000000000", "9999999999999.991", "1e20"),
            *("12.300000000000000001", "null", "true", "[]", '"ten"', '" 1"', '"1_0"', '"+1"'),
            *('""', '"NaN"', '"Infinity"', f'"1.{"0" * 32}"'),
        )
    ),
    '{"id":"refused"}',
    '{"amount":1}',
    '{"id":"refused","amount":1,"note":"x"}',
    "[]",
    '{"id":"refused","amount":1',
)
# Amounts as clients may write them, and their values.
_AMOUNTS: Final = {
    "12.3": "12.30",
    '"12.30"': "12.30",
    "0": "0.00",
    "9999999999999.99": "9999999999999.99",
    '"9999999999999.99"': "9999999999999.99",
    "1230e-2": "12.30",
}
_IDS: Final = ("x" * 128, "\u00e9\U0001f4a9", "with space", "a'b\"c\\d", "{}", "NULL")
_REFUSALS: Final = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}


class WrongAnswer(Exception):
    """A server answers a request wrongly."""


@frozen
class Answer:
    """A server's answer.

    Attributes:
        status: The status code.
        content: The parsed JSON, with Decimals for numbers; None if it is not JSON.
    """

    status: int
    content: Any

    def is_order(self, order_id: str, amount: str) -> bool:
        """Whether it is exactly this order. The amount may be a number or a string."""
        return (
            isinstance(self.content, dict)
            and self.content.get("id") == order_id
            and Decimal(str(self.content.get("amount", "NaN"))) == Decimal(amount)
        )


@frozen
class Client:
    """One connection to a server on this machine."""

    connection: HTTPConnection

    def ask(self, method: str, path: str, body: str | None = None) -> Answer:
        """Send a request and read the answer."""
        headers: Mapping[str, str] = {} if body is None else {"Content-Type": "application/json"}
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        content = response.read()
        try:
            return Answer(response.status, json.loads(content, parse_float=Decimal))
        except ValueError:
            return Answer(response.status, None)


@contextmanager
def client(port: int) -> Iterator[Client]:
    """Open a connection, and close it at the end of the block."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        yield Client(connection)


def check_answers(server: str, port: int, page_path: str, page_ids: Sequence[str]) -> None:
    """Check that a server answers correctly.

    Args:
        server: Its name, for messages.
        port: Where it listens on this machine.
        page_path: The path of a list of 100.
        page_ids: The ids that the list must contain, in order.

    Raises:
        WrongAnswer: An answer is wrong, or there is none.
    """
    try:
        with client(port) as asking:
            _check_places(asking)
            _check_look_ups(asking, page_ids[0])
            _check_list(asking, page_path, page_ids)
            _check_refusals(asking)
    except (WrongAnswer, HTTPException, OSError) as error:
        message = f"{server} is not measured: {error}"
        raise WrongAnswer(message) from error


def _expect(holds: bool, what: str, answer: Answer) -> None:  # noqa: FBT001 - the condition itself
    if not holds:
        message = f"{what}: got {answer.status} and {answer.content}"
        raise WrongAnswer(message)


def _check_places(asking: Client) -> None:
    for number, (written, amount) in enumerate(_AMOUNTS.items()):
        _check_place(asking, f"check-{number}", written, amount)
    for order_id in _IDS:
        _check_place(asking, order_id, "1", "1.00")


def _check_place(asking: Client, order_id: str, written: str, amount: str) -> None:
    body = _order(json.dumps(order_id), written)
    for status in (HTTPStatus.CREATED, HTTPStatus.OK):
        answer = asking.ask("POST", "/orders", body)
        right = answer.status == status and answer.is_order(order_id, amount)
        _expect(right, f"{body} must give {status.value} and the order", answer)
    other = _order(json.dumps(order_id), "77.77")
    answer = asking.ask("POST", "/orders", other)
    _expect(answer.status == HTTPStatus.CONFLICT, f"{other} must give 409", answer)


def _check_look_ups(asking: Client, stored: str) -> None:
    answer = asking.ask("GET", f"/orders/{stored}")
    _expect(
        answer.status == HTTPStatus.OK and answer.content["id"] == stored,
        f"{stored} must be stored",
        answer,
    )
    answer = asking.ask("GET", "/orders/check-1")
    _expect(answer.is_order("check-1", "12.30"), "check-1 must be stored with 12.30", answer)
    answer = asking.ask("GET", "/orders/absent")
    _expect(answer.status == HTTPStatus.NOT_FOUND, "an unknown id must give 404", answer)


def _check_list(asking: Client, path: str, ids: Sequence[str]) -> None:
    answer = asking.ask("GET", path)
    right = isinstance(answer.content, list) and [each["id"] for each in answer.content] == ids
    _expect(right, f"{path} must list {len(ids)} orders, beginning with {ids[0]}", answer)


def _check_refusals(asking: Client) -> None:
    for body in _REFUSED:
        answer = asking.ask("POST", "/orders", body)
        _expect(answer.status in _REFUSALS, f"{body} must be refused", answer)
