"""The same questions to every document: the table fills while one looks, and an answer opens at its quote."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_whole_way import new_collection, upload
from tests.processes import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.weights]

CONTRACT = (ROOT / "samples" / "contract.txt").read_bytes()
NAMES = [f"contract-{number}.txt" for number in range(2)]


def test_it_asks_each_document_and_opens_an_answer_at_its_quote(page: Page) -> None:
    new_collection(page, "Swept")
    files = [{"name": name, "mimeType": "text/plain", "buffer": CONTRACT + name.encode()} for name in NAMES]
    upload(page, *files, {"name": "torn.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 torn"})
    for name in NAMES:
        expect(page.locator("#documents .row", has_text=name).locator(".state")).to_have_text(re.compile("^ready"), timeout=120_000)
    expect(page.locator("#documents .row", has_text="torn.pdf").locator(".error")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Ask each document the same questions").click()
    page.get_by_label("Questions, one a line").fill(
        "How many days of notice does a party give to terminate for convenience?\nxylophone quartz"
    )
    page.get_by_role("button", name="Ask each of 2 documents").click()
    page.get_by_role("heading", name="2 questions to each of 3 documents").wait_for()
    page.evaluate("window.notReloaded = true")
    expect(page.get_by_role("button", name="Stop asking")).to_have_count(0, timeout=180_000)
    assert page.evaluate("window.notReloaded"), "the answers came into the table by themselves"
    expect(page.locator(".coverage")).to_contain_text("2 of 3 documents")
    expect(page.locator(".coverage")).to_contain_text("1 not asked: torn.pdf")
    for row in range(2):
        expect(page.locator(f"#cell-{row}-0")).to_contain_text("ninety (90) days")
        expect(page.locator(f"#cell-{row}-1")).to_contain_text("not found")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "contract-1.txt" in download.value.path().read_text(encoding="utf-8-sig")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#cell-1-0 .cell-quote a").click()
    expect(page.locator("#source #quote").first).to_be_in_viewport()
    expect(page.locator("#source mark").first).to_contain_text("ninety (90) days'")
