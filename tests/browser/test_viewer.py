"""Reading in the viewer: letters over the page, search, contents, thumbnails, zoom and keys; and all of it without a script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.looks import looks
from tests.browser.test_whole_way import new_collection, upload
from tests.processes import ROOT, Longread

pytestmark = [pytest.mark.browser, pytest.mark.weights]

SAMPLES = ROOT / "samples"
SELECTION = "getSelection().toString()"


def open_document(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_role("link", name=re.compile("Reading room")).click()
    page.locator(".document-name").get_by_role("link", name=name, exact=True).click()
    page.locator("#source .source-body").wait_for()


def test_it_reads_a_paged_document(page: Page) -> None:
    new_collection(page, "Reading room")
    upload(page, SAMPLES / "contract.pdf", SAMPLES / "code" / "tollroad" / "fees.py")
    for name in ("contract.pdf", "fees.py"):
        state = page.locator("#documents .row", has_text=name).locator(".state")
        expect(state).to_have_text(re.compile("asked|reading|indexed|ready"), timeout=60_000)
    open_document(page, "contract.pdf")
    line = page.locator(".letters text", has_text="The Customer operates tidal turbines")
    line.scroll_into_view_if_needed()
    line.click(click_count=3)
    assert page.evaluate(SELECTION).strip().startswith("The Customer operates tidal turbines in the Sound of Arrick")

    page.keyboard.press("f")
    page.keyboard.type("ninety (90) days")
    page.keyboard.press("Enter")
    expect(page.locator(".found")).to_contain_text("2 places")
    expect(page.locator("#source #quote")).to_be_in_viewport()
    page.locator("body").press("n")
    expect(page.locator(".found .steps")).to_contain_text("2 of 2")
    expect(page.locator("#source #quote")).to_be_in_viewport()
    page.get_by_text("List them").click()
    expect(page.locator(".hits li")).to_have_count(2)
    looks(page, "found")

    width = page.locator(".sheet").first.evaluate("sheet => sheet.clientWidth")
    page.locator("body").press("+")
    assert page.locator(".sheet").first.evaluate("sheet => sheet.clientWidth") > 1.4 * width
    page.locator("body").press("c")
    expect(page.get_by_role("link", name="15. Governing law and disputes 6")).to_be_visible()
    looks(page, "contents")
    thumbnail = page.locator(".thumbnails img").last
    thumbnail.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete && image.naturalWidth === 180", arg=thumbnail.element_handle())
    thumbnail.click()
    expect(page.get_by_label("Page, 1 to 8")).to_have_value("8")
    expect(page.locator("#page-8")).to_be_in_viewport()
    page.locator("body").press("ArrowLeft")
    expect(page.get_by_label("Page, 1 to 8")).to_have_value("7")
    page.locator("body").press("?")
    expect(page.get_by_role("dialog")).to_contain_text("contents of this document")


def test_it_reads_code(page: Page) -> None:
    open_document(page, "fees.py")
    expect(page.locator(".line .k").first).to_be_visible()
    expect(page.locator("#line-11")).to_have_attribute("data-n", "11")
    page.get_by_role("searchbox").fill("frequent_discount")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("#source mark").first).to_have_text("FREQUENT_DISCOUNT")
    page.get_by_text("Contents").click()
    page.get_by_role("link", name="def charge").click()
    expect(page.locator(".lines")).to_contain_text("Cents owed by each plate")
    looks(page, "code")


def test_it_reads_without_a_script(browser: Browser, signed_in: BrowserContext, longread: Longread) -> None:
    plain = browser.new_context(base_url=longread.address, java_script_enabled=False, storage_state=signed_in.storage_state())
    page = plain.new_page()
    open_document(page, "contract.pdf")
    page.get_by_role("searchbox").fill("Scotland")
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".found")).to_contain_text("2 places")
    page.get_by_role("link", name="Next place").click()
    expect(page.locator(".found .steps")).to_contain_text("2 of 2")
    page.get_by_role("link", name="150 %").click()
    assert "zoom-150" in str(page.locator(".source-body").get_attribute("class"))
    page.get_by_text("Contents").click()
    page.get_by_role("link", name="10. Liability 4").click()
    expect(page.get_by_label("Page, 1 to 8")).to_have_value("4")
    plain.close()
