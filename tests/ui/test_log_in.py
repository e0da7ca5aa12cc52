"""Logging in and out, in a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen
from playwright.sync_api import Page, expect

from orders_core import Order
from orders_http.api.page.sessions import COOKIE
from tests.postgres_server import wait_until
from tests.service_process import RunningService, running_service
from tests.token_files import put, write_tokens
from tests.ui.conftest import OpenPage
from tests.ui.orders_page import (
    end_service,
    fill_in,
    log_in,
    log_out,
    look_up,
    shown_ids,
    store_orders,
)

READ_ONLY: Final = (
    "You can look at the orders. To store one, log in with a token that has the scope"
)


@frozen
class Guarded:
    """A service that requires tokens, with one order."""

    service: RunningService
    file: Path
    both: str
    reader: str
    writer: str


@pytest.fixture
def guarded(database: Path, tmp_path: Path) -> Iterator[Guarded]:
    """A service with three tokens."""
    store_orders(database, [Order("A-1", "12.30")])
    file = tmp_path / "tokens"
    secrets = write_tokens(file, both="read,write", reader="read", writer="write")
    settings = {"ORDERS_TOKENS_FILE": str(file)}
    with running_service(f"sqlite:///{database}", settings) as service:
        yield Guarded(service, file, **secrets)
        end_service(service)


@pytest.fixture
def page(guarded: Guarded, open_page: OpenPage) -> Page:
    """The page as a new visitor sees it."""
    opened = open_page()
    answer = opened.goto(guarded.service.url)
    assert answer is not None
    assert answer.status == 401
    return opened


def expect_log_in(page: Page) -> None:
    """Assert that the page asks for a token and shows no order."""
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(page.get_by_label("Token")).to_have_value("")
    expect(page.get_by_text("A-1")).to_have_count(0)
    expect(page.get_by_role("button", name="Log out")).to_have_count(0)
    expect(page.get_by_label("Look up an id")).to_have_count(0)


def test_a_new_visitor_is_asked_for_a_token(page: Page) -> None:
    expect_log_in(page)
    assert page.title() == "Log in - Orders"


def test_a_token_with_both_scopes_shows_the_orders_and_stores_one(
    guarded: Guarded,
    page: Page,
) -> None:
    log_in(page, f" {guarded.both} ")
    assert page.url == f"{guarded.service.url}/"
    expect(page.get_by_text("Logged in as both")).to_be_visible()
    assert shown_ids(page) == ["A-1"]
    fill_in(page, "A-2", "1.50")
    expect(page.get_by_role("status")).to_have_text("Order A-2 is stored: 1.50 USD.")
    look_up(page, "A-1")
    assert shown_ids(page) == ["A-1"]


def test_a_token_that_can_only_read_shows_no_form_and_says_why(
    guarded: Guarded, page: Page
) -> None:
    log_in(page, guarded.reader)
    assert shown_ids(page) == ["A-1"]
    expect(page.get_by_role("button", name="Store order")).to_have_count(0)
    expect(page.get_by_role("region", name="New order")).to_contain_text(READ_ONLY)


def test_a_token_that_cannot_read_shows_nothing_and_can_be_replaced(
    guarded: Guarded,
    page: Page,
) -> None:
    log_in(page, guarded.writer)
    expect(page.get_by_role("heading", name="The token does not allow this")).to_be_visible()
    expect(page.get_by_text("A-1")).to_have_count(0)
    log_out(page)
    log_in(page, guarded.reader)
    assert shown_ids(page) == ["A-1"]


def test_a_wrong_token_is_refused_beside_its_field_and_not_repeated(page: Page) -> None:
    log_in(page, "orders_wrong")
    field = page.get_by_label("Token")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(
        "This token is unknown or was revoked. "
        "It begins with orders_. Ask the operator of this service for one.",
    )
    assert "orders_wrong" not in page.content()
    expect_log_in(page)


def test_after_logging_out_the_back_button_shows_no_order(guarded: Guarded, page: Page) -> None:
    log_in(page, guarded.both)
    log_out(page)
    assert page.url == f"{guarded.service.url}/login"
    expect_log_in(page)
    page.go_back()
    expect_log_in(page)
    page.goto(guarded.service.url)
    expect_log_in(page)
    assert page.context.cookies() == []


def session_ends(_guarded: Guarded, page: Page) -> None:
    page.context.clear_cookies()


def token_is_revoked(guarded: Guarded, page: Page) -> None:
    put(guarded.file, "# nobody\n")

    def is_asked_again() -> bool:
        return bool(page.request.get(guarded.service.url).status == 401)

    wait_until(is_asked_again)


@pytest.mark.parametrize("end", [session_ends, token_is_revoked])
def test_an_order_sent_without_a_session_is_reported_as_not_stored(
    guarded: Guarded,
    page: Page,
    end: Callable[[Guarded, Page], None],
) -> None:
    log_in(page, guarded.both)
    end(guarded, page)
    fill_in(page, "A-2", "1.50")
    expect(page.get_by_role("alert")).to_contain_text("The order was not stored")
    expect_log_in(page)


def test_the_cookie_is_hidden_from_scripts_and_other_sites_and_is_not_a_token(
    guarded: Guarded,
    page: Page,
) -> None:
    log_in(page, guarded.both)
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["path"], cookie["httpOnly"]) == (COOKIE, "/", True)
    assert (cookie["sameSite"], cookie["expires"]) == ("Strict", -1)
    assert guarded.both.removeprefix("orders_") not in cookie["value"]
    assert page.evaluate("document.cookie") == ""


def test_the_api_ignores_the_session(
    guarded: Guarded,
    page: Page,
) -> None:
    log_in(page, guarded.both)
    assert page.request.get(f"{guarded.service.url}/").status == 200
    assert page.request.get(f"{guarded.service.url}/orders").status == 401


def test_logging_in_needs_no_script_and_no_pointer(
    guarded: Guarded,
    open_page: OpenPage,
) -> None:
    page = open_page(script=False)
    page.goto(guarded.service.url)
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.get_by_label("Token")).to_be_focused()
    page.keyboard.type(guarded.both)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert shown_ids(page) == ["A-1"]


def test_the_visitor_is_not_printed(guarded: Guarded, page: Page) -> None:
    log_in(page, guarded.both)
    page.emulate_media(media="print")
    expect(page.get_by_role("table")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
