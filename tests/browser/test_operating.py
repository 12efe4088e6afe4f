"""The dashboard alone answers why a document is not ready, whether the disk is filling and how long people wait, and tries again what
failed. Which worker died: tests/flow/test_killed_worker.py, where one really does."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looks import looks
from tests.browser.rows import Rows
from tests.browser.test_whole_way import new_collection, upload

pytestmark = [pytest.mark.browser, pytest.mark.weights]

TORN = {"name": "torn-ledger.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 torn"}


def test_it_says_why_a_document_is_not_ready_and_tries_it_again(page: Page, visit: Callable[..., Page]) -> None:
    new_collection(page, "Ledgers")
    address = page.url
    upload(page, TORN)
    expect(page.locator("#documents .row .error")).to_be_visible(timeout=60_000)

    page.get_by_role("link", name="Dashboard").click()
    page.get_by_label("Find a document that is not ready").fill("ledger")
    page.get_by_role("button", name="Why is it not ready?").click()
    row = page.get_by_role("region", name=re.compile("Not ready: “ledger”")).get_by_role("listitem")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(re.compile(r"torn-ledger\.pdf.*Ledgers · alice.*parse.* failed: .*PDF", re.DOTALL | re.IGNORECASE))
    expect(page.get_by_role("region", name="What needs attention")).to_contain_text(re.compile(r"\d+ jobs? failed in the last day\."))
    expect(page.get_by_role("region", name="Recent failures")).to_contain_text("torn-ledger.pdf")
    row.get_by_role("button", name="Try again: torn-ledger.pdf").click()
    page.get_by_role("region", name="Jobs").get_by_role("link", name="failed").click()
    job = page.locator("#jobs .row", has_text="torn-ledger.pdf")
    expect(job).to_contain_text("failed", timeout=30_000)
    page.goto(address)
    expect(page.locator("#documents .row .error")).to_be_visible(timeout=30_000)
    assert visit("erna").goto("/dashboard/").status == 404


def test_it_says_how_long_people_wait_and_whether_the_disk_fills(page: Page, rows: Rows) -> None:
    new_collection(page, "Waits")
    rows("waits", collection="Waits", seconds=[1.0, 2.0, 3.0, 40.0])
    rows("fills", bytes_an_hour=5_000_000_000)
    page.goto("/dashboard/")
    waits = page.get_by_role("region", name="How long people wait")
    expect(waits).to_contain_text(re.compile(r"half of them.*95 of 100", re.DOTALL))
    expect(waits.get_by_role("img")).to_have_accessible_name(re.compile("First word of an answer, hour by hour"))
    expect(page.get_by_role("region", name="Disk")).to_contain_text(re.compile(r"Full in about .* at [\d.]+ GB an hour"))
    workers = page.get_by_role("region", name="Workers").get_by_role("listitem")
    expect(workers.filter(has_text="queue ingest").filter(has_text="alive")).to_have_count(1)
    expect(workers.filter(has_text="queue engine").filter(has_text="alive")).to_have_count(1)
    looks(page, "dashboard")
    rows("fills", bytes_an_hour=0)
