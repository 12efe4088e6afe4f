"""A conversation: what is asked on, what is left out, and how an answer leads to its source."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looks import looks
from tests.browser.test_whole_way import new_collection, upload
from tests.processes import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.weights]

SAMPLES = ROOT / "samples"
ASKABLE = re.compile("asked|reading|indexed|ready")
EVIL = "<img src=x onerror=alert(1)>.md"


def test_it_asks_on_leaves_out_and_opens_what_is_pressed(page: Page) -> None:
    new_collection(page, "Asking on")
    evil = {"name": EVIL, "mimeType": "text/markdown", "buffer": b"# <script>alert(2)</script>\n\nNothing about fees."}
    contract = {"name": "contract.pdf", "mimeType": "application/pdf", "buffer": (SAMPLES / "contract.pdf").read_bytes()}
    upload(page, contract, evil)
    for name in ("contract.pdf", EVIL):
        expect(page.locator("#documents .row", has_text=name).locator(".state")).to_have_text(ASKABLE, timeout=60_000)
    page.reload()
    expect(page.locator(".suggestions")).to_contain_text("How much notice is needed to terminate?")
    looks(page, "collection")

    page.get_by_text("Choose documents").click()
    page.get_by_role("checkbox", name=EVIL).uncheck()
    page.get_by_label("What do you want to know?").fill("What does analyst work on site cost per day?")
    page.get_by_role("button", name="Ask 1 document").click()
    expect(page.locator("#answer")).to_contain_text("1,120", timeout=60_000)
    expect(page.get_by_text("Asked without 1 document")).to_be_visible()
    page.locator("#answer .chip").hover()
    expect(page.get_by_role("tooltip").first).to_be_visible()

    page.get_by_label("Ask on").fill("And remote, per day?")
    page.get_by_role("button", name="Ask 1 document").click()
    page.get_by_role("heading", name="And remote, per day?").wait_for()
    expect(page.locator("#answer")).to_contain_text("890", timeout=60_000)
    expect(page.locator(".turn").first).to_contain_text("1,120")
    expect(page.locator("#source #quote")).to_be_in_viewport()
    looks(page, "conversation")

    page.locator(".turn").first.locator(".chip").click()
    expect(page.locator("#source mark").first).to_contain_text("on site")
    address = page.url
    press_mark(page)
    expect(page.locator("#source mark")).to_have_count(0)
    assert page.url == address, "the source opened beside the answer"

    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#answer .citation-link").first.click()
    page.wait_for_url(re.compile("/documents/"))
    expect(page.locator("#source #quote")).to_be_in_viewport()
    page.go_back()
    page.get_by_role("heading", name="And remote, per day?").wait_for()
    page.goto("/")
    page.get_by_role("link", name=re.compile("Asking on")).click()
    expect(page.locator(".conversation .question-link")).to_have_count(2)


def press_mark(page: Page) -> None:
    """A located place away from the quote. A mark is a line: the driver takes it for invisible, a mouse does not."""
    quoted = page.locator(".strip a:has(line.cited)").bounding_box()
    boxes = [mark.bounding_box() for mark in page.locator(".strip a:has(line.located)").all()]
    box = next(box for box in boxes if box and quoted and abs(box["x"] - quoted["x"]) > 30)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_it_says_that_it_was_not_found_and_what_was_read(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name=re.compile("Asking on")).click()
    page.get_by_label("What do you want to know?").fill("Which colour has the ceremonial yacht?")
    page.get_by_role("button", name="Ask all 2 documents").click()
    expect(page.locator("#answer")).to_contain_text("Not found in these 2 documents.", timeout=60_000)
    expect(page.locator("#answer")).to_contain_text(re.compile(r"Read [\d,]+ of [\d,]+ tokens|None of the question's words"))
    looks(page, "not-found")


def test_it_asks_the_file_that_a_question_names_and_says_so(page: Page) -> None:
    new_collection(page, "Named")
    other = {"name": "Other terms.txt", "mimeType": "text/plain", "buffer": b"Ten (10) days' written notice is needed to terminate.\n"}
    contract = {"name": "contract.pdf", "mimeType": "application/pdf", "buffer": (SAMPLES / "contract.pdf").read_bytes()}
    upload(page, contract, other)
    for name in ("contract.pdf", "Other terms.txt"):
        expect(page.locator("#documents .row", has_text=name).locator(".state")).to_have_text(ASKABLE, timeout=60_000)
    page.reload()
    expect(page.get_by_text("A question that names a file is asked of it alone.")).to_be_visible()
    page.get_by_label("What do you want to know?").fill("How much notice is needed to terminate, by contract.pdf?")
    page.get_by_role("button", name="Ask all 2 documents").click()
    expect(page.locator("#answer")).to_contain_text("ninety (90) days", timeout=60_000)
    expect(page.get_by_text("Asked only of contract.pdf, which the question names.")).to_be_visible()
    expect(page.locator("#reading")).not_to_contain_text("Ten (10) days")
    looks(page, "named")
    page.get_by_label("Ask on").fill("How much notice is needed to terminate?")
    page.get_by_role("button", name="Ask the same document").click()
    expect(page.get_by_text("Asked only of contract.pdf, as the question before.")).to_be_visible(timeout=60_000)
    expect(page.locator("#answer")).to_contain_text("ninety (90) days", timeout=60_000)
    expect(page.locator("#reading")).not_to_contain_text("Ten (10) days")
    looks(page, "named-follow-up")
    page.get_by_role("button", name="Ask all documents").click()
    expect(page.locator("#now .question")).to_have_text("How much notice is needed to terminate?")
    expect(page.locator("#answer")).to_contain_text(re.compile("notice"), timeout=60_000)
    expect(page.get_by_text("Asked only of")).to_have_count(0)
