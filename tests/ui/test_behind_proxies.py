"""The page behind a real nginx and a real HAProxy, in a real browser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen
from playwright.sync_api import Browser, Page, expect

from orders_core import OrderId
from orders_sqlite import SqliteStore
from tests.service_process import RunningService, running_service
from tests.token_files import write_tokens
from tests.ui.orders_page import fill_in, log_in, log_out, shown_ids
from tests.ui.proxies import (
    NAME,
    Ports,
    choose_ports,
    examples,
    haproxy_configuration,
    nginx_configuration,
    running_proxy,
)

ADDRESSES: Final = pytest.mark.parametrize(
    "address",
    [(scheme, port) for scheme in ("http", "https") for port in ("default port", "own port")],
    ids=" ".join,
)
Address = tuple[str, str]


@pytest.fixture(scope="module")
def ports() -> Ports:
    """The ports of all proxies in these tests."""
    return choose_ports()


@pytest.fixture(scope="module")
def window(launch: Callable[..., Browser], ports: Ports) -> Iterator[Browser]:
    """A browser that maps the public names, with their default ports, to the proxy."""
    rules = ",".join(
        (
            f"MAP *{NAME}:80 127.0.0.1:{ports.plain}",
            f"MAP *{NAME}:443 127.0.0.1:{ports.tls}",
            f"MAP *{NAME} 127.0.0.1",
        )
    )
    arguments = f"--host-resolver-rules={rules}", "--disable-features=HttpsUpgrades"
    with launch(*arguments) as browser:
        yield browser


@frozen
class Front:
    """A proxy's ports, and a folder for its files."""

    ports: Ports
    folder: Path

    def url(self, address: Address) -> str:
        """Return the public URL, without a trailing slash."""
        scheme, port = address
        return self.ports.url(scheme, with_port=port == "own port")

    @contextmanager
    def nginx(self, site: str, service: RunningService) -> Iterator[None]:
        """Run nginx in front of a service."""
        configuration = nginx_configuration(site, self.folder, self.ports)
        with running_proxy("nginx", configuration, self.folder, self.ports, service.port):
            yield

    @contextmanager
    def haproxy(self, example: str, service: RunningService) -> Iterator[None]:
        """Run HAProxy in front of a service."""
        configuration = haproxy_configuration(example, self.ports)
        with running_proxy("haproxy", configuration, self.folder, self.ports, service.port):
            yield


@pytest.fixture
def front(ports: Ports, tmp_path: Path) -> Front:
    """The ports and the folder of a proxy."""
    return Front(ports, tmp_path)


@pytest.fixture
def page(window: Browser) -> Iterator[Page]:
    """An empty tab that accepts the certificates of these tests."""
    with window.new_context(ignore_https_errors=True) as context:
        yield context.new_page()


@frozen
class Shop:
    """A service that requires tokens."""

    service: RunningService
    secret: str
    database: Path

    def holds(self, order_id: str) -> bool:
        """Tell whether an order is stored."""
        store = SqliteStore(self.database)
        try:
            return store.get([OrderId(order_id)]) != [None]
        finally:
            store.close()


@contextmanager
def open_shop(folder: Path, **settings: str) -> Iterator[Shop]:
    """Run a service that requires tokens, under the public name."""
    database = folder / "orders.db"
    secret = write_tokens(folder / "tokens", shop="read,write")["shop"]
    given = {
        "ORDERS_TOKENS_FILE": str(folder / "tokens"),
        "ORDERS_ALLOWED_HOSTS": NAME,
        **settings,
    }
    with running_service(f"sqlite:///{database}", given) as service:
        yield Shop(service, secret, database)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A service at the root."""
    with open_shop(tmp_path) as opened:
        yield opened


def use(page: Page, url: str, shop: Shop) -> None:
    """Log in, store an order, see it, and log out, as a person does."""
    page.goto(f"{url}/")
    log_in(page, shop.secret)
    fill_in(page, "A-1", "12,30")
    expect(page.get_by_text("Order A-1 is stored")).to_be_visible()
    assert shown_ids(page) == ["A-1"]
    assert shop.holds("A-1")
    log_out(page)
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert page.context.cookies() == []


@pytest.mark.parametrize("host", ["$host", "$http_host", "$host:PUBLIC"])
@ADDRESSES
def test_the_page_works_behind_nginx_with_any_forwarded_host(
    page: Page, shop: Shop, front: Front, host: str, address: Address
) -> None:
    scheme, port = address
    public = {"http": 80, "https": 443}[scheme]
    if port == "own port":
        public = front.ports.tls if scheme == "https" else front.ports.plain
    site = examples("nginx")[0].replace("$host;", f"{host.replace('PUBLIC', str(public))};")
    with front.nginx(site, shop.service):
        use(page, front.url(address), shop)


@ADDRESSES
def test_the_page_works_behind_haproxy(
    page: Page, shop: Shop, front: Front, address: Address
) -> None:
    with front.haproxy(examples("haproxy")[0], shop.service):
        use(page, front.url(address), shop)


@pytest.mark.parametrize("path", ["passed on", "taken off"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_page_works_below_a_path(page: Page, front: Front, scheme: str, path: str) -> None:
    server, location = examples("nginx")
    if path == "taken off":
        location = location.replace("http://orders;", "http://orders/;")
    site = server[: server.index("    location / {")] + location + "}\n"
    url = front.url((scheme, "own port"))
    answers: list[tuple[int, str]] = []
    page.on("response", lambda answer: answers.append((answer.status, answer.url)))
    with (
        open_shop(front.folder, ORDERS_ROOT="/shop") as shop,
        front.nginx(site, shop.service),
    ):
        use(page, f"{url}/shop", shop)
        assert {asked.startswith(f"{url}/shop/") for _, asked in answers} == {True}
        # Without a session the page asks for one.
        assert {status for status, _ in answers} == {200, 303, 401}
        page.goto(f"{url}/shop/nothing")
        page.get_by_role("link", name="Show the orders").click()
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        assert page.url == f"{url}/shop/"


FORM: Final = """<!doctype html><meta name="referrer" content="{policy}">
<form method="post" action="{action}/">
<input name="id" value="evil"><input name="amount" value="1"><button>Win</button></form>"""


@pytest.mark.parametrize("policy", ["unsafe-url", "no-referrer"])
@pytest.mark.parametrize(
    ("origin", "target"),
    [
        ("https://evil.example", "https"),
        ("http://evil.example", "http"),
        (f"https://sibling.{NAME}", "https"),
        (f"http://sibling.{NAME}", "http"),
        (f"http://{NAME}", "https"),
    ],
)
def test_a_form_of_another_site_is_refused_behind_a_proxy_and_its_text_kept(
    page: Page, front: Front, origin: str, target: str, policy: str
) -> None:
    form = FORM.format(action=front.url((target, "default port")), policy=policy)
    page.route(f"{origin}/evil", lambda route: route.fulfill(body=form, content_type="text/html"))
    database = f"sqlite:///{front.folder}/orders.db"
    with (
        running_service(database, {"ORDERS_ALLOWED_HOSTS": NAME}) as service,
        front.nginx(examples("nginx")[0], service),
    ):
        page.goto(f"{origin}/evil")
        with page.expect_navigation() as navigation:
            page.get_by_role("button", name="Win").click()
        assert navigation.value is not None
        assert navigation.value.status == 403
        expect(page.get_by_text("The form was sent from another site")).to_be_visible()
        expect(page.get_by_label("Id", exact=True)).to_have_value("evil")
        assert shown_ids(page) == []
        page.get_by_role("link", name="Show the orders").click()
        expect(page.get_by_text("No orders yet")).to_be_visible()
