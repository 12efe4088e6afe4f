"""What the first visitor does: makes an account, uploads a contract, watches it being read, asks, and opens the quote on its page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.processes import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.weights]

CONTRACT = ROOT / "samples" / "contract.pdf"
# The quote is where it can be seen, and not under the head of the source that stays above it.
BELOW_THE_HEAD = """() => {
  const head = document.querySelector("#source header"), quote = document.querySelector("#source #quote");
  return head && quote && quote.getBoundingClientRect().top >= head.getBoundingClientRect().bottom;
}"""
QUESTION = "How much notice is needed to terminate?"


def new_collection(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_label("New collection").fill(name)
    page.get_by_role("button", name="Make the collection").click()
    page.get_by_role("heading", name=name).wait_for()


def upload(page: Page, *files: object) -> None:
    page.locator("input[type=file]").set_input_files(files)  # type: ignore[arg-type]


def ask(page: Page, question: str) -> None:
    page.get_by_label("What do you want to know?").fill(question)
    page.locator("form.ask button").click()
    page.get_by_role("heading", name=question).wait_for()


# Noted by the page itself, because a short answer's tokens can be gone again before anybody asks from outside.
NOTE_TOKENS = """
new MutationObserver(() => {
  if (document.querySelector("#stream .token") && !document.querySelector("#answer")) sessionStorage.tokensCameFirst = "yes";
}).observe(document, {childList: true, subtree: true});
"""


def test_it_reads_an_uploaded_contract_and_opens_the_quote_on_its_page(page: Page) -> None:
    page.add_init_script(NOTE_TOKENS)
    new_collection(page, "Contracts")
    # Of a name of its own: of the contract that other tests read as well everything would be stored, and ready at once.
    upload(page, {"name": "services.pdf", "mimeType": "application/pdf", "buffer": CONTRACT.read_bytes()})
    documents = page.locator("#documents")
    expect(documents.locator(".progress").first).to_contain_text(re.compile(r"[\d,]+ of [\d,]+ (pages|tokens)"), timeout=60_000)
    expect(documents.locator(".state.ready")).to_be_visible(timeout=120_000)
    ask(page, QUESTION)
    expect(page.locator(".answer-text")).not_to_be_empty(timeout=60_000)
    expect(page.locator("#answer .citations .citation")).not_to_have_count(0, timeout=60_000)
    assert page.evaluate("sessionStorage.tokensCameFirst") == "yes"
    page.locator("#answer .citation-link").first.click()
    marks = page.locator("#source svg rect, #source svg path")
    expect(marks.first).to_be_visible()
    expect(marks.first).to_be_in_viewport(ratio=0.9)
    page.wait_for_function(BELOW_THE_HEAD)
    image = page.locator("#source .sheet img").first
    expect(image).to_be_visible()
    assert image.evaluate("image => image.complete ? image.naturalWidth : image.decode().then(() => image.naturalWidth)") > 100


def test_it_says_at_the_file_why_it_cannot_be_read(page: Page) -> None:
    new_collection(page, "Bad files")
    good = {"name": "good.txt", "mimeType": "text/plain", "buffer": b"The fee is 40 euros a month.\n\nIt is due on the first day."}
    upload(
        page,
        {"name": "empty.txt", "mimeType": "text/plain", "buffer": b""},
        {"name": "note.pdf", "mimeType": "application/pdf", "buffer": b"This is plain text."},
        {"name": "cut.pdf", "mimeType": "application/pdf", "buffer": CONTRACT.read_bytes()[:3000]},
        good,
    )
    expect(page.locator(".uploads")).to_contain_text("This file is empty", timeout=30_000)
    expect(page.locator("#documents .row", has_text="note.pdf")).to_contain_text("named .pdf but", timeout=30_000)
    expect(page.locator("#documents .row", has_text="cut.pdf").locator(".error")).to_be_visible(timeout=30_000)
    expect(page.locator("#documents .row", has_text="good.txt").locator(".state.ready")).to_be_visible(timeout=60_000)
