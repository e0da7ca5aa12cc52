"""Every state of the page: accessible, in both colour schemes, on a narrow screen.

Each test leaves a picture in `artefacts/screenshots`. The README's picture is
`filled-light.png`, copied to `docs/page.png` when the page's looks change.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import pytest
from attrs import frozen
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

from orders_core import MAX_CENTS, Amount, Order
from orders_tokens import Token
from tests.service_process import running_service
from tests.token_files import put, scopes_of
from tests.ui.conftest import OpenPage
from tests.ui.orders_page import (
    ORDERS,
    end_service,
    fill_in,
    follow,
    log_in,
    log_out,
    look_up,
    store_orders,
)

PICTURES: Final = Path(__file__).parents[2] / "artefacts" / "screenshots"

LARGEST: Final = Amount.from_cents(MAX_CENTS)
LONG: Final = (
    Order("W" * 128, LARGEST),
    Order("\U0001f4e6" * 128, LARGEST),
    Order("شحنة " * 25 + "شحن", LARGEST),
)


MARKED: Final = (
    Order("A\u200b-1", "12.30"),
    Order("a\u202eevil\u202c b", LARGEST),
    Order("\u0645\u06cc\u200c\u062e\u0648", "5.00"),
    Order("x" + "\u2060" * 126 + "x", LARGEST),
)
SECRET: Final = f"orders_{'5eed' * 16}"
LONG_NAME: Final = "w" * 64


def fill_in_too_late(page: Page) -> None:
    log_in(page, SECRET)
    page.context.clear_cookies()
    fill_in(page, "2026-1161", "1249.90")


def log_in_and_out(page: Page) -> None:
    log_in(page, SECRET)
    log_out(page)


def send_from_elsewhere(page: Page) -> None:
    """Send the form from a page of another site, with something in it."""
    form = (
        f'<form method="post" action="{page.url}"><input name="id" value="{"W" * 128}">'
        '<input name="amount" value="1249.90"><button>Send</button></form>'
    )
    page.route(
        "http://evil.example/", lambda route: route.fulfill(body=form, content_type="text/html")
    )
    page.goto("http://evil.example/")
    with page.expect_navigation():
        page.get_by_role("button", name="Send").click()


@frozen
class State:
    """A state of the page.

    Attributes:
        name: What it is called.
        reach: What a person does to get there from the open page.
        orders: What is stored.
        away: Whether the database cannot be used.
        scopes: Of the token that a person has; without, the page asks for none.
        begin: The query of the page that is opened first.
    """

    name: str
    reach: Callable[[Page], None] = lambda _page: None
    orders: Sequence[Order] = ORDERS[:12]
    away: bool = False
    scopes: str = ""
    begin: str = ""


STATES: Final = (
    State("empty", orders=()),
    State("filled", orders=ORDERS),
    State("middle", lambda page: follow(page, "Next"), ORDERS),
    State("long", orders=LONG),
    State("stored", lambda page: fill_in(page, "2026-1161", "1249.90")),
    State("invalid", lambda page: fill_in(page, "W" * 129, "12,305")),
    State("conflict", lambda page: fill_in(page, "2026-1041", "0.01")),
    State("found", lambda page: look_up(page, "2026-1041")),
    State("missing", lambda page: look_up(page, "W" * 128)),
    State("impossible", lambda page: look_up(page, "W" * 129)),
    State("past-the-end", begin="?after=Wg"),
    State("refused", begin="?after=!"),
    State("nothing", begin="nothing"),
    State("marked", orders=MARKED),
    State("missing-marked", lambda page: look_up(page, "\u202a2026-1041\u202c")),
    State("ambiguous", lambda page: fill_in(page, "A-1\u200b", "1,234")),
    State("foreign", send_from_elsewhere),
    State("away", away=True),
    State("away-unsure", lambda page: fill_in(page, "2026-1161", "1249.90"), away=True),
    State("log-in", scopes="read"),
    State("log-in-wrong", lambda page: log_in(page, "orders_wrong"), scopes="read"),
    State("log-in-again", fill_in_too_late, scopes="read,write"),
    State("logged-in", lambda page: log_in(page, SECRET), scopes="read,write"),
    State("reader", lambda page: log_in(page, SECRET), scopes="read"),
    State("reader-empty", lambda page: log_in(page, SECRET), orders=(), scopes="read"),
    State("writer", lambda page: log_in(page, SECRET), scopes="write"),
    State("logged-out", log_in_and_out, scopes="read"),
)


@pytest.fixture(scope="module", params=STATES, ids=lambda state: state.name)
def state(request: pytest.FixtureRequest) -> State:
    """Provide each state in turn."""
    chosen: State = request.param
    return chosen


@pytest.fixture(scope="module")
def address(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a service that can show the state."""
    database = tmp_path_factory.mktemp(state.name) / "orders.db"
    if state.away:
        database.mkdir()
    else:
        store_orders(database, state.orders)
    settings = {}
    if state.scopes:
        file = database.with_name("tokens")
        put(file, f"{Token.of_secret(LONG_NAME, scopes_of(state.scopes), SECRET).line()}\n")
        settings["ORDERS_TOKENS_FILE"] = str(file)
    with running_service(f"sqlite:///{database}", settings) as service:
        yield f"{service.url}/{state.begin}"
        end_service(service)


def keep_picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    state: State,
    scheme: Literal["light", "dark"],
    address: str,
    open_page: OpenPage,
) -> None:
    page = open_page(scheme)
    page.goto(address)
    state.reach(page)
    keep_picture(page, f"{state.name}-{scheme}")
    results = Axe().run(page)
    assert results.response["violations"] == []


def test_nothing_is_wider_than_a_screen_of_320_pixels(
    state: State,
    address: str,
    open_page: OpenPage,
) -> None:
    page = open_page(width=320, height=640)
    page.goto(address)
    state.reach(page)
    keep_picture(page, f"{state.name}-narrow")
    wider = page.evaluate(
        """() => [document.documentElement, ...document.body.querySelectorAll("*")]
        .filter(element => element.getBoundingClientRect().right > window.innerWidth + 0.5)
        .map(element => element.outerHTML.slice(0, 200))""",
    )
    assert wider == []
    assert page.evaluate("document.documentElement.scrollWidth") == 320
