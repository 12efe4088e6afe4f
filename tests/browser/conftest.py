"""A real Chromium against the real processes. Without one on the machine these tests are skipped, and say so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.missing import missing
from tests.processes import Longread

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# No request of the browser's own leaves the machine; root, as in containers, has no sandbox.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]


@pytest.fixture(scope="package")
def longread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Longread]:
    if CHROMIUM is None:
        missing("there is no Chromium on this machine (on Debian: apt install chromium)")
    longread = Longread(tmp_path_factory.mktemp("browser home"))
    longread.start()
    yield longread
    longread.stop()


# For this folder alone: while it is open an event loop is running, beside which no other test could run one.
@pytest.fixture(scope="package")
def browser(longread: Longread) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def signed_in(browser: Browser, longread: Longread) -> Iterator[BrowserContext]:
    """The first visitor's browser: makes the first account, and stays signed in."""
    context = browser.new_context(base_url=longread.address, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_label("Password confirmation").fill("correct horse battery")
    page.get_by_role("button", name="Make the account").click()
    page.get_by_role("heading", name="What have you got to read?").wait_for()
    page.close()
    yield context
    context.close()


@pytest.fixture
def page(signed_in: BrowserContext) -> Iterator[Page]:
    """A tab that must not see a script error or a refused resource."""
    page = signed_in.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    yield page
    page.close()
    assert wrong == []
