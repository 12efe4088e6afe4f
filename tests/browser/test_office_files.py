"""Word files, workbooks and mails in the application: uploaded by their owner, asked, and opened at the quote in what stands around it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from docx.document import Document as WordDocument
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.looks import looks
from tests.browser.test_whole_way import ask, new_collection, upload
from tests.ingest import packages, pdfs
from tests.ingest.test_mail import mail
from tests.ingest.test_scans import picture as scanned
from tests.ingest.test_sheets import saved, workbook

pytestmark = [pytest.mark.browser, pytest.mark.weights]


def lease(document: WordDocument) -> None:
    document.add_heading("Lease of the boathouse", 0)
    document.add_heading("Term", 1)
    document.add_paragraph("The lease begins on 1 March 2026 and lasts five years, unless one party ends it as this agreement says.")
    document.add_heading("Termination", 1)
    document.add_paragraph("Each party may terminate this lease with a notice of four months, in writing, to the end of a quarter.")
    document.add_heading("Rent", 1)
    table = document.add_table(4, 3)
    cells = [("Part", "Rent a month", "Due"), ("Slipway", "120 euros", "1st"), ("Loft", "80 euros", "1st"), ("Yard", "40 euros", "15th")]
    for row, words in enumerate(cells):
        for column, word in enumerate(words):
            table.cell(row, column).text = word
    for item in ("the keys", "the winch", "the radio"):
        document.add_paragraph(item, "List Bullet")


def test_they_are_read_asked_and_opened_at_the_quote(page: Page, tmp_path: Path) -> None:
    message = mail()
    message.set_content("Dear Ann,\n\nthe winch was repaired on 3 April.\n")
    (tmp_path / "lease.docx").write_bytes(packages.word(lease))
    (tmp_path / "prices.xlsx").write_bytes(saved(workbook(Prices=[["Item", "Fee"], ["Winch", 45], ["Crane", 190]])))
    (tmp_path / "winch.eml").write_bytes(message.as_bytes())
    new_collection(page, "Boathouse")
    upload(page, *sorted(tmp_path.iterdir()))
    expect(page.locator("#documents .state.ready")).to_have_count(3, timeout=120_000)
    looks(page, "office-files")
    ask(page, "How much notice is needed to terminate the lease?")
    page.locator("#answer .citation-link").first.click(timeout=60_000)
    mark = page.locator("#source mark").first
    expect(mark).to_be_in_viewport()
    expect(page.locator("#source")).to_contain_text("notice of four months")
    expect(page.locator("#source")).to_contain_text("| Slipway | 120 euros | 1st |")
    looks(page, "office-quote")
    page.goto("/")
    page.get_by_role("link", name=re.compile("Boathouse")).click()
    page.locator(".document-name").get_by_role("link", name="winch.eml", exact=True).click()
    expect(page.locator("#source")).to_contain_text("Subject: The fee for März")


def test_a_scan_in_a_word_file_is_read_asked_and_marked_on_its_picture(page: Page, tmp_path: Path) -> None:
    lines = ["The tenant keeps the swans of the lower", "pond fed from November until March,", "at a cost of twelve euros a week."]
    annex, view = io.BytesIO(), io.BytesIO()
    scanned(pdfs.pages_of_text([(72, 100 + 18 * index, line) for index, line in enumerate(lines)])).crop((0, 0, 992, 420)).save(
        annex, "PNG"
    )
    Image.linear_gradient("L").resize((320, 140)).save(view, "PNG")

    def letter(document: WordDocument) -> None:
        lease(document)
        document.add_heading("Annex", 1)
        document.add_paragraph("What was agreed by hand is copied here.")
        for picture in (annex, view):
            document.add_picture(picture)
        document.add_paragraph("The end.")

    (tmp_path / "annexed.docx").write_bytes(packages.word(letter))
    new_collection(page, "Swans")
    upload(page, tmp_path / "annexed.docx")
    expect(page.locator("#documents .state.ready")).to_have_count(1, timeout=120_000)
    ask(page, "What does feeding the swans cost a week?")
    page.locator("#answer .citation-link").first.click(timeout=60_000)
    expect(page.locator("#source mark").first).to_be_visible()
    assert "picture 1]" not in "".join(page.locator("#source mark").all_inner_texts())
    expect(page.locator("#source #picture-1 .marks path")).to_have_count(1)
    picture = page.locator("#source #picture-1 img")
    expect(picture).to_be_visible()
    expect(page.locator("#source #picture-1")).to_contain_text("Read by OCR")
    expect(picture).to_have_js_property("complete", True)
    looks(page, "picture-in-text")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.locator("#source #picture-1 .paper").bounding_box() == picture.bounding_box()
