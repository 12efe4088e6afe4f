"""A checklist's table: what people say of an answer stays with it, and the table is taken home in every form with both."""

from __future__ import annotations

import csv
import re
from io import BytesIO, StringIO
from zipfile import ZipFile

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from tests.browser.looks import looks
from tests.browser.rows import Rows
from tests.browser.test_sharing import shelf

pytestmark = [pytest.mark.browser, pytest.mark.weights]

NOTE = "The annex says sixty."


def test_a_verdict_stays_and_goes_into_every_export(page: Page, rows: Rows) -> None:
    shelf(page, "Judged")
    page.goto(f"/sweeps/{rows('swept', collection='Judged')}/")
    page.evaluate("window.notReloaded = true")
    cell = page.locator("#cell-0-0")
    cell.get_by_text("Change the verdict").click()
    cell.get_by_label("Note").fill(NOTE)
    cell.get_by_role("button", name="Wrong").click()
    expect(cell.locator(".verdict")).to_contain_text(re.compile(f"wrong.*{NOTE}.*alice", re.DOTALL))
    expect(cell).to_be_focused()
    other = page.locator("#cell-0-1")
    other.get_by_text("Is this right?").click()
    other.get_by_role("button", name="Confirm").click()
    expect(other.locator(".verdict")).to_contain_text("confirmed")
    assert page.evaluate("window.notReloaded")
    page.reload()
    expect(page.locator(".coverage")).to_contain_text("1 confirmed · 1 wrong")
    looks(page, "table")
    cell.locator(".cell-quote a").click()
    page.get_by_role("link", name="Back to the table").click()
    expect(cell.locator(".verdict")).to_contain_text(NOTE)

    table = list(csv.reader(StringIO(saved(page, "CSV").decode("utf-8-sig"))))
    assert any(NOTE in field for row in table for field in row)
    sheet = load_workbook(BytesIO(saved(page, "Excel"))).worksheets
    assert any(NOTE in str(value) for page_ in sheet for row in page_.iter_rows(values_only=True) for value in row)
    assert NOTE in re.sub("<[^>]+>", "", ZipFile(BytesIO(saved(page, "Word"))).read("word/document.xml").decode())
    assert NOTE in " ".join(" ".join(sheet.extract_text() for sheet in PdfReader(BytesIO(saved(page, "PDF"))).pages).split())


def saved(page: Page, form: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("link", name=form, exact=True).click()
    return download.value.path().read_bytes()
