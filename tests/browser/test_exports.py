"""A table that takes long to write: asked for on its page, written by a worker meanwhile, and saved from the list of files."""

from __future__ import annotations

from pathlib import Path

import pypdf
import pytest
from playwright.sync_api import Page

from tests.browser.looks import looks
from tests.browser.rows import Rows

pytestmark = pytest.mark.browser

DOCUMENTS = 400


def test_a_long_table_is_written_meanwhile_and_saved(page: Page, rows: Rows) -> None:
    page.goto(f"/sweeps/{rows('make_table', documents=DOCUMENTS)}/")
    page.get_by_role("link", name="PDF", exact=True).click()
    page.wait_for_url("**/exports/")
    row = page.locator("#exports .row", has_text="a-long-table.pdf")
    row.get_by_text("Waits for a worker").or_(row.get_by_role("progressbar")).or_(row.get_by_role("link", name="Save")).first.wait_for()
    looks(page, "exports-at-work")
    save = row.get_by_role("link", name="Save a-long-table.pdf")
    save.wait_for(timeout=90_000)
    looks(page, "exports")
    with page.expect_download() as download:
        save.click()
    assert download.value.suggested_filename == "a-long-table.pdf"
    paper = pypdf.PdfReader(Path(download.value.path()))
    text = "".join(sheet.extract_text() for sheet in paper.pages)
    assert text.count("lease 399.pdf") == 1
    row.get_by_role("button", name="Delete a-long-table.pdf").click()
    page.get_by_text("No file was made for you in the last day.").wait_for()
    page.goto("/jobs/")
    page.get_by_role("link", name="Files that were made for you").click()
    page.wait_for_url("**/exports/")
