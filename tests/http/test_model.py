"""The running service compared with a dict, over a socket: a stateful model of its clients."""

import json
from http.client import HTTPConnection
from urllib.parse import quote, urlencode
from uuid import uuid4

from attrs import frozen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from orders_core import Amount, OrderId
from orders_http.api.cursors import cursor_of_id
from tests.http.strategies import awkward_id_texts
from tests.service_process import RunningService
from tests.strategies import amounts


@frozen
class Response:
    """A response that was read."""

    status: int
    headers: dict[str, str]
    body: bytes

    def amounts(self) -> list[tuple[str, str]]:
        """Read orders, their amounts as they are written."""
        members = json.loads(self.body, parse_float=str)
        orders = members if isinstance(members, list) else [members]
        return [(order["id"], order["amount"]) for order in orders]


class Client:
    """A client that keeps its connection, as clients do."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection

    def send(self, method: str, target: str, body: str = "", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, target, body.encode() or None, named)
        response = self._connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, fields, response.read())


def path_of(order_id: str) -> str:
    return f"/orders/{quote(order_id, safe='')}"


def written(order: tuple[str, Amount]) -> str:
    order_id, amount = order
    return json.dumps({"id": order_id, "amount": str(amount)})


class OrdersModel(RuleBasedStateMachine):
    """The actions of clients. Every run uses different ids, so that all can share one service."""

    service: RunningService
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        # Orders of other runs have other ids.
        self.prefix = f"{uuid4()}/"
        self.stored: dict[str, Amount] = {}
        self.tags: dict[str, str] = {}
        self.connection = self.service.connect()
        self.client = Client(self.connection)

    def teardown(self) -> None:
        self.connection.close()

    @rule(target=ids, suffix=awkward_id_texts().filter(lambda text: len(text) < 80))
    def choose_id(self, suffix: str) -> str:
        return self.prefix + suffix

    @rule(order_id=ids, amount=amounts())
    def place(self, order_id: str, amount: Amount) -> None:
        response = self.client.send(
            "POST",
            "/orders",
            written((order_id, amount)),
            Content_Type="application/json",
        )
        known = self.stored.setdefault(order_id, amount)
        if response.status == 409:
            assert known != amount
            return
        assert known == amount
        assert response.amounts() == [(order_id, str(amount))]
        replayed = response.headers.get("idempotent-replayed") == "true"
        assert response.status == (200 if replayed else 201)
        assert replayed == (order_id in self.tags)
        self.tags[order_id] = response.headers["etag"]
        if not replayed:
            assert response.headers["location"] == path_of(order_id)

    @rule(order_id=ids)
    def replay(self, order_id: str) -> None:
        if order_id in self.stored:
            self.place(order_id, self.stored[order_id])

    @rule(orders=st.lists(st.tuples(ids, amounts()), min_size=1, max_size=5), as_csv=st.booleans())
    def place_many(self, orders: list[tuple[str, Amount]], as_csv: bool) -> None:  # noqa: FBT001
        body = "".join(f"{written(order)}\n" for order in orders)
        media_type = "application/x-ndjson"
        if as_csv:
            quoted = [(order_id.replace('"', '""'), amount) for order_id, amount in orders]
            body = "id,amount\n" + "".join(f'"{each}",{amount}\n' for each, amount in quoted)
            media_type = "text/csv"
        response = self.client.send("POST", "/orders", body, Content_Type=media_type)
        after = dict(self.stored)
        conflicts = sum(after.setdefault(each, amount) != amount for each, amount in orders)
        if conflicts:
            assert response.status == 409
            assert len(json.loads(response.body)["errors"]) == conflicts
            return
        created = len(after) - len(self.stored)
        assert response.status == 200
        assert json.loads(response.body) == {
            "created": created,
            "replayed": len(orders) - created,
        }
        self.stored = after
        for order_id, _ in orders:
            response = self.client.send("GET", path_of(order_id))
            self.tags[order_id] = response.headers["etag"]

    @rule(order_id=ids, by_query=st.booleans(), method=st.sampled_from(["GET", "HEAD"]))
    def look_up(self, order_id: str, by_query: bool, method: str) -> None:  # noqa: FBT001
        target = f"/orders?{urlencode({'id': order_id})}" if by_query else path_of(order_id)
        response = self.client.send(method, target)
        if order_id not in self.stored:
            assert response.status == 404
            return
        assert (response.status, response.headers["etag"]) == (200, self.tags[order_id])
        if method == "GET":
            assert response.amounts() == [(order_id, str(self.stored[order_id]))]
        else:
            body = f'{{"id":{json.dumps(order_id, ensure_ascii=False)},"amount":'
            length = len(f"{body}{self.stored[order_id]}}}".encode())
            assert (response.headers["content-length"], response.body) == (str(length), b"")

    @rule(order_id=ids)
    def look_up_what_is_known(self, order_id: str) -> None:
        known = self.tags.get(order_id, '"unknown"')
        response = self.client.send("GET", path_of(order_id), If_None_Match=known)
        assert response.status == (304 if order_id in self.stored else 404)

    @rule(limit=st.integers(1, 7))
    def list_all(self, limit: int) -> None:
        expected = [
            (order_id, str(amount))
            for order_id, amount in sorted(self.stored.items(), key=lambda item: OrderId(item[0]))
        ]
        before = OrderId(self.prefix.removesuffix("/"))
        assert self._scan(before, limit, len(expected)) == expected

    def _scan(self, start: OrderId, limit: int, enough: int) -> list[tuple[str, str]]:
        """Follow the links from an id to the last order of this run."""
        cursor = cursor_of_id(start)
        target: str | None = f"/orders?limit={limit}&after={cursor}"
        seen: list[tuple[str, str]] = []
        while target is not None and len(seen) <= enough:
            response = self.client.send("GET", target)
            orders = response.amounts()
            assert len(orders) <= limit
            ours = [order for order in orders if order[0].startswith(self.prefix)]
            seen += ours
            link = response.headers.get("link")
            more = link is not None and len(ours) == len(orders)
            target = link.partition(">")[0].removeprefix("<") if link and more else None
        return seen

    @invariant()
    def the_connection_stays(self) -> None:
        assert self.client.send("GET", "/health").body == b'{"status":"ok"}'


def test_the_service_behaves_as_a_dict_would(service: RunningService) -> None:
    profile = settings.default
    assert profile is not None
    run_state_machine_as_test(
        type("ModelOfTheService", (OrdersModel,), {"service": service}),
        settings=settings(profile, max_examples=max(20, profile.max_examples // 5)),
    )
