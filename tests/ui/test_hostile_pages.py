"""Attacks through the page: markup in ids, and forms on other sites."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from orders_core import Order
from tests.service_process import RunningService, running_service
from tests.ui.conftest import OpenPage
from tests.ui.orders_page import fill_in, follow, shown_ids, store_orders

HOSTILE_IDS: Final = (
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    '" autofocus onfocus="alert(1)',
    "' autofocus onfocus='alert(1)",
    "x onmouseover=alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "javascript:alert(1)",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0;url=//evil.example/>",
    "<form action=//evil.example/><button>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "{{7*7}} <%= 7*7 %> ${7*7} %",
    "<!--",
    "]]><script>alert(1)</script>",
)


@pytest.fixture(scope="module")
def hostile_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that these tests share; each stores a different id."""
    database = tmp_path_factory.mktemp("hostile") / "orders.db"
    with running_service(f"sqlite:///{database}") as service:
        yield service


def elements(page: Page) -> list[str]:
    """Return the names of the elements that text could have injected."""
    names: list[str] = page.locator("body *").evaluate_all(
        "elements => elements.map(element => element.localName)",
    )
    return sorted(set(names) & {"script", "iframe", "svg", "base", "meta", "style", "textarea"})


def test_markup_in_ids_is_text_in_the_list(
    service: RunningService,
    database: Path,
    open_page: OpenPage,
) -> None:
    store_orders(database, [Order(each, "1.00") for each in HOSTILE_IDS])
    page = open_page()
    page.goto(service.url)
    assert shown_ids(page) == sorted(HOSTILE_IDS)
    assert elements(page) == []


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
def test_markup_is_text_everywhere_on_the_page(
    hostile_service: RunningService,
    open_page: OpenPage,
    hostile: str,
) -> None:
    page = open_page()
    page.goto(f"{hostile_service.url}/?id={quote(hostile)}")
    expect(page.get_by_label("Look up an id")).to_have_value(hostile)
    expect(page.get_by_role("status")).to_contain_text(f"Nothing is stored under {hostile}.")
    assert elements(page) == []
    page.goto(hostile_service.url)
    fill_in(page, hostile, hostile)
    expect(page.get_by_label("Id", exact=True)).to_have_value(hostile)
    expect(page.get_by_label("Amount", exact=True)).to_have_value(hostile)
    assert elements(page) == []
    fill_in(page, hostile, "1.00")
    expect(page.get_by_role("status")).to_have_text(f"Order {hostile} is stored: 1.00 USD.")
    assert elements(page) == []


def test_an_injected_script_would_not_run(
    service: RunningService,
    browser: Browser,
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(service.url)
        with page.expect_console_message() as message:
            page.evaluate(
                """() => {
                const script = document.createElement("script");
                script.textContent = "window.hasRun = true";
                document.body.append(script);
                }""",
            )
        assert "Content Security Policy" in message.value.text
        assert page.evaluate("window.hasRun") is None


@contextmanager
def foreign_page(action: str, policy: str) -> Iterator[int]:
    """Serve a page whose form sends an order to the service; return its port."""
    content = (
        f'<!DOCTYPE html><title>Elsewhere</title><link rel="icon" href="data:,">'
        f'<form method="post" action="{action}"><input name="id" value="A-1">'
        f'<input name="amount" value="12.30"><button>Win a prize</button></form>'
    ).encode()

    class ForeignPage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), ForeignPage) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("host", "policy"),
    [
        pytest.param("http://127.0.0.1", "", id="another port"),
        pytest.param("http://localhost", "", id="another name"),
        pytest.param("http://127.0.0.1", "sandbox allow-forms", id="an origin of null"),
    ],
)
def test_a_form_on_another_site_stores_nothing(
    service: RunningService,
    open_page: OpenPage,
    host: str,
    policy: str,
) -> None:
    page = open_page()
    with foreign_page(f"{service.url}/", policy) as port:
        page.goto(f"{host}:{port}/")
        page.get_by_role("button", name="Win a prize").click()
        expect(
            page.get_by_role("heading", name="The form was sent from another site"),
        ).to_be_visible()
    follow(page, "Show the orders")
    expect(page.get_by_role("heading", name="No orders yet")).to_be_visible()


def test_the_page_works_under_each_of_its_names(
    service: RunningService,
    open_page: OpenPage,
) -> None:
    page = open_page()
    page.goto(service.url.replace("127.0.0.1", "localhost"))
    fill_in(page, "A-1", "12.30")
    expect(page.get_by_role("status")).to_have_text("Order A-1 is stored: 12.30 USD.")
