"""A real Chromium against the real processes. Without one on the machine these tests are skipped, and say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.rows import Rows
from tests.chromium import chromium, opened
from tests.processes import PASSWORD, Longread


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def signed_in(browser: Browser, longread: Longread) -> Iterator[BrowserContext]:
    """The first visitor's browser: makes the first account, and stays signed in."""
    context = opened(browser, longread.address)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password confirmation").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.get_by_role("heading", name="What have you got to read?").wait_for()
    page.close()
    yield context
    context.close()


@pytest.fixture(scope="package")
def rows(longread: Longread) -> Iterator[Rows]:
    rows = Rows(longread)
    yield rows
    rows.close()


@pytest.fixture
def visit(browser: Browser, longread: Longread, rows: Rows) -> Iterator[Callable[..., Page]]:
    """The page of somebody else in a browser of their own: `visit("rita")` is signed in, `visit()` has no account."""
    contexts = []

    def visit(name: str = "", **options: object) -> Page:
        session = rows("session", name=name) if name else ""
        contexts.append(opened(browser, longread.address, session, **options))
        return contexts[-1].new_page()

    yield visit
    for context in contexts:
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
