"""The page in a real browser, used as a person does."""

from http import HTTPStatus
from pathlib import Path

from playwright.sync_api import Page, expect

from orders_core import Order
from tests.service_process import RunningService, running_service
from tests.ui.conftest import OpenPage
from tests.ui.orders_page import (
    ORDERS,
    end_service,
    fill_in,
    follow,
    look_up,
    shown_ids,
    store_orders,
)


def focused(page: Page) -> str:
    """Name the element that has the focus."""
    name: str = page.evaluate(
        "(({id, tagName, innerText}) => id || `${tagName} ${innerText}`)(document.activeElement)",
    )
    return name


def test_an_empty_page_leads_to_the_first_order(
    service: RunningService,
    open_page: OpenPage,
) -> None:
    page = open_page()
    page.goto(service.url)
    expect(page.get_by_role("heading", name="No orders yet")).to_be_visible()
    page.get_by_role("link", name="Fill in the first order").click()
    expect(page.get_by_label("Id", exact=True)).to_be_focused()


def test_an_order_is_created_and_shown_with_the_count_and_the_exact_total(
    service: RunningService,
    open_page: OpenPage,
) -> None:
    page = open_page()
    page.goto(service.url)
    fill_in(page, "A-1", "12.3")
    expect(page.get_by_role("status")).to_have_text("Order A-1 is stored: 12.30 USD.")
    fill_in(page, "A-2", "9999999999999.99")
    expect(page.get_by_role("status")).to_have_text("Order A-2 is stored: 9999999999999.99 USD.")
    assert page.locator("dl").inner_text().split() == [
        *("Orders", "2"),
        *("Total", "10000000000012.29", "USD"),
    ]
    assert page.locator("tbody tr").all_inner_texts() == [
        "A-1\t12.30 USD",
        "A-2\t9999999999999.99 USD",
    ]


def test_a_replay_looks_like_a_new_order(
    service: RunningService,
    database: Path,
    open_page: OpenPage,
) -> None:
    store_orders(database, [Order("A-1", "12.30")])
    page = open_page()
    page.goto(service.url)
    fill_in(page, "A-1", "12.3")
    expect(page.get_by_role("status")).to_have_text("Order A-1 is stored: 12.30 USD.")
    assert shown_ids(page) == ["A-1"]


def test_reloading_after_an_order_sends_nothing_twice(
    service: RunningService,
    open_page: OpenPage,
) -> None:
    page = open_page()
    page.goto(service.url)
    fill_in(page, "A-1", "12.30")
    methods: list[str] = []
    page.on("request", lambda request: methods.append(request.method))
    page.reload()
    assert "POST" not in methods
    expect(page.get_by_role("status")).to_have_text("Order A-1 is stored: 12.30 USD.")


def test_another_amount_is_refused_and_the_stored_order_is_shown(
    service: RunningService,
    database: Path,
    open_page: OpenPage,
) -> None:
    store_orders(database, ORDERS)
    page = open_page()
    page.goto(service.url)
    with page.expect_response(service.url + "/") as answer:
        fill_in(page, "2026-1050", "0.01")
    assert answer.value.status == HTTPStatus.CONFLICT
    field = page.get_by_label("Id", exact=True)
    expect(field).to_have_accessible_description(
        "Id is taken by an order with another amount; choose another id. "
        "Such as A-1. It cannot change later.",
    )
    expect(field).to_have_value("2026-1050")
    expect(page.get_by_label("Amount", exact=True)).to_have_value("0.01")
    assert shown_ids(page) == ["2026-1050"]


def test_wrong_values_are_kept_and_explained_beside_their_fields(
    service: RunningService,
    open_page: OpenPage,
) -> None:
    page = open_page()
    page.goto(service.url)
    with page.expect_response(service.url + "/") as answer:
        fill_in(page, "..", "1.005")
    assert answer.value.status == HTTPStatus.UNPROCESSABLE_ENTITY
    for label, kept, mistake in (
        ("Id", "..", "Id must not be '.' or '..', which paths cannot carry."),
        (
            "Amount",
            "1.005",
            (
                "Amount can be read in two ways; type 1005 without a separator, or at most "
                "two decimals, such as 1.00."
            ),
        ),
    ):
        field = page.get_by_label(label, exact=True)
        expect(field).to_have_value(kept)
        expect(field).to_have_attribute("aria-invalid", "true")
        assert mistake in page.locator(f"#{label.lower()}-mistake").inner_text()
        expect(page.locator(f"#{label.lower()}-mistake")).to_be_visible()
    expect(page.get_by_label("Id", exact=True)).to_be_focused()


def test_the_first_wrong_field_gets_the_focus(
    service: RunningService,
    open_page: OpenPage,
) -> None:
    page = open_page()
    page.goto(service.url)
    fill_in(page, "A-1", "twelve")
    expect(page.get_by_label("Amount", exact=True)).to_be_focused()
    expect(page.get_by_label("Id", exact=True)).not_to_have_attribute("aria-invalid", "true")


def test_120_orders_are_three_pages_in_both_directions(
    service: RunningService,
    database: Path,
    open_page: OpenPage,
) -> None:
    store_orders(database, ORDERS)
    ids = [order.id.value for order in ORDERS]
    pages = [ids[:50], ids[50:100], ids[100:]]
    page = open_page()
    page.goto(service.url)
    following = page.get_by_role("link", name="Next")
    previous = page.get_by_role("link", name="Previous")

    expect(previous).to_have_count(0)
    assert shown_ids(page) == pages[0]
    expect(page.locator("caption")).to_have_text("50 of 120 orders, by id")
    follow(page, "Next")
    assert shown_ids(page) == pages[1]
    follow(page, "Next")
    assert shown_ids(page) == pages[2]
    expect(page.locator("caption")).to_have_text("20 of 120 orders, by id")
    expect(following).to_have_count(0)
    follow(page, "Previous")
    assert shown_ids(page) == pages[1]
    follow(page, "Previous")
    assert shown_ids(page) == pages[0]
    expect(previous).to_have_count(0)


def test_an_order_is_looked_up(
    service: RunningService,
    database: Path,
    open_page: OpenPage,
) -> None:
    store_orders(database, ORDERS)
    page = open_page()
    page.goto(service.url)
    look_up(page, " 2026-1042 ")
    assert shown_ids(page) == ["2026-1042"]
    follow(page, "Show all orders")
    assert len(shown_ids(page)) == 50


def test_an_unknown_id_is_reported(
    service: RunningService,
    open_page: OpenPage,
) -> None:
    page = open_page()
    page.goto(service.url)
    look_up(page, "A-9")
    expect(page.get_by_role("heading", name="No order has this id")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("Nothing is stored under A-9.")
    expect(page.get_by_label("Look up an id")).to_have_value("A-9")


def test_the_page_works_with_the_keyboard_alone(
    service: RunningService, open_page: OpenPage
) -> None:
    page = open_page()
    page.goto(service.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the orders")).to_be_in_viewport(ratio=1)
    order = []
    while focused(page) != "id":
        page.keyboard.press("Tab")
        order.append(focused(page))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert order == ["A Orders", "sought", "BUTTON Look up", "id"]
    page.keyboard.type("A-1")
    page.keyboard.press("Tab")
    page.keyboard.type("12.30")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Order A-1 is stored: 12.30 USD.")


def test_the_skip_link_skips_the_forms(
    service: RunningService,
    database: Path,
    open_page: OpenPage,
) -> None:
    store_orders(database, ORDERS)
    page = open_page()
    page.goto(service.url)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert focused(page) == "orders"
    page.keyboard.press("Tab")
    assert focused(page) == "A Next"


def test_the_page_needs_no_script(service: RunningService, open_page: OpenPage) -> None:
    page = open_page(script=False)
    page.goto(service.url)
    fill_in(page, "A-1", "12.30")
    expect(page.get_by_role("status")).to_have_text("Order A-1 is stored: 12.30 USD.")


def test_a_copied_amount_is_plain_digits(
    service: RunningService,
    database: Path,
    open_page: OpenPage,
) -> None:
    store_orders(database, [Order("A-1", "1234567.80")])
    page = open_page()
    page.goto(service.url)
    for amount in (page.locator("td"), page.locator("dd").nth(1)):
        copied = amount.evaluate(
            "element => { getSelection().selectAllChildren(element); return `${getSelection()}` }",
        )
        assert copied.strip() == "1234567.80 USD"


def test_right_to_left_ids_do_not_move_the_amounts(
    service: RunningService,
    database: Path,
    open_page: OpenPage,
) -> None:
    ids = ["A-1", "שלום (1)", "شحنة-12", "a\u202eevil"]
    store_orders(database, [Order(each, "12.30") for each in ids])
    page = open_page()
    page.goto(service.url)
    assert sorted(shown_ids(page)) == sorted(ids)
    cells = page.locator("td")
    assert set(cells.all_inner_texts()) == {"12.30 USD"}
    ends = {box["x"] + box["width"] for cell in cells.all() if (box := cell.bounding_box())}
    assert len(ends) == 1


def test_the_orders_print_without_the_forms(
    service: RunningService,
    database: Path,
    open_page: OpenPage,
) -> None:
    store_orders(database, ORDERS)
    page = open_page()
    page.goto(service.url)
    page.emulate_media(media="print")
    expect(page.get_by_role("table")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("navigation")).to_have_count(0)


def test_an_unavailable_database_is_not_shown_as_no_orders_and_comes_back(
    database: Path,
    open_page: OpenPage,
) -> None:
    database.mkdir()
    with running_service(f"sqlite:///{database}") as service:
        page = open_page()
        answer = page.goto(service.url)
        assert answer is not None
        assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
        expect(page.get_by_role("alert")).to_contain_text("The orders cannot be reached now")
        expect(page.get_by_text("No orders")).to_have_count(0)
        database.rmdir()
        follow(page, "Try again")
        expect(page.get_by_role("heading", name="No orders yet")).to_be_visible()
        end_service(service)


def test_an_order_typed_while_the_database_is_unavailable_can_be_sent_again(
    database: Path,
    open_page: OpenPage,
) -> None:
    database.mkdir()
    with running_service(f"sqlite:///{database}") as service:
        page = open_page()
        page.goto(service.url)
        fill_in(page, "A-1", "12.30")
        expect(page.get_by_role("alert")).to_contain_text("Sending it again is safe")
        expect(page.get_by_label("Id", exact=True)).to_have_value("A-1")
        expect(page.get_by_label("Amount", exact=True)).to_have_value("12.30")
        database.rmdir()
        page.get_by_role("button", name="Send again").click()
        expect(page.get_by_role("status")).to_have_text("Order A-1 is stored: 12.30 USD.")
        end_service(service)
