"""A real browser with a real service; tests fail on what the browser reports."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.service_process import RunningService, running_service

_PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS: Final = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
_PATIENCE_SECONDS: Final = 30.0


class OpenPage(Protocol):
    """Opens an empty tab in a separate browser context."""

    def __call__(
        self,
        scheme: Literal["light", "dark"] = "light",
        width: int = 1280,
        height: int = 800,
        *,
        script: bool = True,
    ) -> Page:
        """Return the tab."""


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Browser]]:
    """Start headless Chromium, with further arguments."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    expect.set_options(timeout=_PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:

        def launch(*arguments: str) -> Browser:
            return playwright.chromium.launch(
                executable_path=program, args=[*_ARGUMENTS, *arguments]
            )

        yield launch


@pytest.fixture(scope="session")
def browser(launch: Callable[..., Browser]) -> Iterator[Browser]:
    """Headless Chromium; the system's own, none is downloaded."""
    with launch() as chromium:
        yield chromium


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open tabs, and fail at the end for any error that the browser reported."""
    complaints: list[str] = []
    contexts = []

    def on_console(message: ConsoleMessage) -> None:
        if not _tells_the_pages_own_status(message):
            complaints.append(f"console: {message.text}")

    def on_failure(request: Request) -> None:
        # Leaving a page aborts what it still loads.
        if request.failure != "net::ERR_ABORTED":
            complaints.append(f"failed: {request.url}: {request.failure}")

    def open_page(
        scheme: Literal["light", "dark"] = "light",
        width: int = 1280,
        height: int = 800,
        *,
        script: bool = True,
    ) -> Page:
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": height},
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on("requestfailed", on_failure)
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def _tells_the_pages_own_status(message: ConsoleMessage) -> bool:
    """Tell whether it is the message that Chromium logs for each page with an error status."""
    return message.text.startswith(
        "Failed to load resource: the server responded with a status of"
    ) and urlsplit(message.location["url"]).path in {"/", "/login", "/nothing"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The path of the service's SQLite file."""
    return tmp_path / "orders.db"


@pytest.fixture
def service(database: Path) -> Iterator[RunningService]:
    """A service without orders."""
    with running_service(f"sqlite:///{database}") as running:
        yield running
