"""Actions of a person on the page, and orders to show."""

import signal
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Final

from playwright.sync_api import Page

from orders_core import Order, place_all
from orders_sqlite import SqliteStore
from tests.service_process import RunningService

ORDERS: Final = tuple(
    Order(f"2026-{number}", Decimal(number**3 % 489_001) / 100) for number in range(1041, 1161)
)
"""120 orders, by id: two pages of 50 and one of 20."""


def fill_in(page: Page, order_id: str, amount: str) -> None:
    """Type an order into the form and send it."""
    page.get_by_label("Id", exact=True).fill(order_id)
    page.get_by_label("Amount", exact=True).fill(amount)
    with page.expect_navigation():
        page.get_by_role("button", name="Store order").click()


def log_in(page: Page, secret: str) -> None:
    """Type a token into the log-in form, and send it."""
    page.get_by_label("Token").fill(secret)
    with page.expect_navigation():
        page.get_by_role("button", name="Log in").click()


def log_out(page: Page) -> None:
    """End the session."""
    with page.expect_navigation():
        page.get_by_role("button", name="Log out").click()


def look_up(page: Page, order_id: str) -> None:
    """Look an id up."""
    page.get_by_label("Look up an id").fill(order_id)
    with page.expect_navigation():
        page.get_by_role("button", name="Look up").click()


def follow(page: Page, link: str) -> None:
    """Follow a link to another page."""
    with page.expect_navigation():
        page.get_by_role("link", name=link).click()


def shown_ids(page: Page) -> list[str]:
    """Return the ids that the table shows."""
    return page.locator("tbody th bdi").all_inner_texts()


def store_orders(database: Path, orders: Iterable[Order]) -> None:
    """Store orders in the SQLite file of a service."""
    store = SqliteStore(database)
    try:
        place_all(store, list(orders))
    finally:
        store.close()


def end_service(service: RunningService) -> None:
    """Stop a service without checking its log, which reports the unavailable database."""
    service.send_signal(signal.SIGTERM)
    assert service.wait() == 0
