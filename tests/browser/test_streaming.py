"""While an answer streams: two tabs, a reload, a lost connection and the stop button, with a model that waits until the test lets it go on;
and the whole way without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.looks import looks
from tests.chromium import opened
from tests.processes import Longread, Visitor, wait_for
from tests.remote_server import Scripted, Slow

pytestmark = pytest.mark.browser

QUESTION = "How much notice is needed?"
BEGINNING = "Ninety days"
WHOLE = re.compile("Ninety days are needed")


@pytest.fixture(scope="module")
def context(browser: Browser, slow_longread: Longread, visitor: Visitor) -> Iterator[BrowserContext]:
    """The same person as the visitor."""
    context = opened(browser, slow_longread.address, session(visitor))
    yield context
    context.close()


def session(visitor: Visitor) -> str:
    return str(next(cookie.value for cookie in visitor.cookies if cookie.name == "sessionid"))


@pytest.fixture
def page(context: BrowserContext, slow: Slow) -> Iterator[Page]:
    page = context.new_page()
    yield page
    slow.may_end.set()
    page.close()


def ask(page: Page, slow: Slow) -> None:
    """An answer has begun, and does not go on."""
    slow.may_end.clear()
    page.goto("/")
    page.get_by_role("link", name=re.compile("Contracts")).click()
    page.get_by_label("What do you want to know?").fill(QUESTION)
    page.get_by_role("button", name="Ask this document").click()
    expect(page.locator("#stream .answer-text")).to_contain_text(BEGINNING, timeout=30_000)


def test_a_second_tab_and_a_reload_see_the_same_answer_grow(page: Page, context: BrowserContext, slow: Slow) -> None:
    ask(page, slow)
    expect(page.locator(".located-live")).to_contain_text("terms.txt")
    looks(page, "streaming")
    second = context.new_page()
    second.goto(page.url)
    expect(second.locator("#stream .answer-text")).to_have_text(BEGINNING)
    page.reload()
    expect(page.locator("#stream .answer-text")).to_have_text(BEGINNING)
    expect(page.get_by_role("status").filter(has_text="Answering")).to_be_visible()
    slow.may_end.set()
    for tab in (page, second):
        expect(tab.locator("#answer .answer-text")).to_contain_text(WHOLE)
        expect(tab.locator("#answer .citation").first).to_contain_text("verified: stands there word for word")
        expect(tab.locator("#stream")).to_have_count(0)
    second.close()


def test_it_goes_on_after_the_connection_was_lost(page: Page, context: BrowserContext, slow: Slow) -> None:
    ask(page, slow)
    context.set_offline(True)
    slow.may_end.set()
    page.wait_for_timeout(300)
    context.set_offline(False)
    expect(page.locator("#answer .answer-text")).to_contain_text(WHOLE, timeout=30_000)


def test_the_stop_button_stops_the_model(page: Page, context: BrowserContext, slow: Slow, slow_server: Scripted) -> None:
    ask(page, slow)
    second = context.new_page()
    second.goto(page.url)
    slow_server.gone.clear()
    page.get_by_role("button", name="Stop answering").click()
    assert slow_server.gone.wait(20), "the model's connection was closed"
    for tab in (page, second):
        expect(tab.locator("#answer")).to_contain_text("Stopped here.")
        expect(tab.locator("#answer .answer-text")).to_have_text(BEGINNING)
    looks(page, "stopped")
    second.close()


def test_the_whole_way_works_without_a_script(browser: Browser, slow_longread: Longread, visitor: Visitor, slow: Slow) -> None:
    context = opened(browser, slow_longread.address, session(visitor), java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("New collection").fill("Plain")
    page.get_by_role("button", name="Make the collection").click()
    file = {
        "name": "plain.txt",
        "mimeType": "text/plain",
        "buffer": b"Either party may end this agreement with ninety days' written notice.",
    }
    page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Upload the chosen files").click()
    expect(page.locator("#documents noscript p")).to_have_text("Load this page again to see how far they are.")
    wait_for(lambda: page.reload() and page.get_by_role("button", name="Ask this document").count(), 30, "the document can be asked")

    slow.may_end.clear()
    page.get_by_label("What do you want to know?").fill(QUESTION)
    page.get_by_role("button", name="Ask this document").click()
    expect(page.locator("#stream noscript p")).to_have_text("This page loads itself again until the answer is there.")
    slow.may_end.set()
    expect(page.locator("#answer .answer-text")).to_contain_text(WHOLE, timeout=30_000)
    page.locator("#answer .citation-link").first.click()
    expect(page.locator("#source mark")).to_contain_text("ninety days")
    page.get_by_role("link", name="Back to the answer").click()
    expect(page.get_by_role("heading", name=QUESTION)).to_be_visible()

    page.locator(".crumb a").first.click()
    page.get_by_role("link", name="Ask each document the same questions").click()
    page.get_by_label("Questions, one a line").fill(QUESTION)
    page.get_by_role("button", name="Ask this document").click()
    expect(page.locator("#cell-0-0")).to_contain_text("ninety days", timeout=30_000)
    expect(page.get_by_role("button", name="Stop asking")).to_have_count(0, timeout=30_000)
    context.close()
