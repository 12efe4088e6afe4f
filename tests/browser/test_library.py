"""The shelf: documents are looked for, sorted, renamed, moved, read again and deleted, and the same file twice is pointed out."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.looks import looks
from tests.browser.rows import Rows
from tests.browser.test_whole_way import new_collection, upload

pytestmark = [pytest.mark.browser, pytest.mark.weights]

TIDES = {"name": "tides.txt", "mimeType": "text/plain", "buffer": b"High water is at six.\n\nLow water is at noon."}
TWIN = TIDES | {"name": "tides (copy).txt"}
TIMETABLE = {"name": "ferry.txt", "mimeType": "text/plain", "buffer": b"The ferry leaves at seven, and comes back at ten."}
READY = re.compile("can be asked|reading|indexed|ready")


def names(page: Page) -> list[str]:
    return page.locator("#documents > .rows > .row .document-name > :first-child").all_inner_texts()


def test_it_finds_and_sorts_documents_and_collections(page: Page, rows: Rows) -> None:
    new_collection(page, "Volumes")
    rows("many", collection="Volumes", count=120)
    page.reload()
    expect(page.get_by_text("1 of 2", exact=False).first).to_be_visible()
    looks(page, "many-documents")
    page.get_by_label("Sort by").select_option("size")
    page.wait_for_url(re.compile("sort=size"))
    assert names(page)[:2] == ["Volume 119.pdf", "Volume 118.pdf"]
    page.get_by_role("link", name="Further documents").click()
    expect(page.locator("#documents .pages")).to_contain_text("2 of 2")
    assert names(page)[-1].startswith("Minutes_of_the_meeting_")
    page.get_by_label("Find in the names of documents").fill("e 11")
    expect(page.locator("#documents > .rows > .row")).to_have_count(10)
    assert names(page)[0] == "Volume 119.pdf", "it stays sorted"
    page.get_by_label("Find in the names of documents").fill("quartz")
    expect(page.locator("#documents")).to_contain_text("No document has “quartz” in its name.")

    for name in ("Aardvarks", "Zebras", "Yaks"):
        new_collection(page, name)
    page.goto("/")
    page.get_by_label("Find in the names of collections").fill("ks")
    expect(page.locator("#collections .row")).to_have_count(2)
    page.get_by_label("Sort by").select_option("newest")
    expect(page.locator("#collections .name")).to_have_text(["Yaks", "Aardvarks"])


def test_what_is_chosen_while_the_script_is_on_its_way_is_sent(page: Page) -> None:
    new_collection(page, "Ferry")
    held: list[Route] = []
    page.route("**/upload*.js", lambda route: held.append(route))
    page.reload(wait_until="commit")
    upload(page, TIMETABLE)
    expect(page.locator("#documents")).to_contain_text("0 documents")
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    expect(page.locator("#documents .row", has_text="ferry.txt")).to_be_visible()


def test_it_renames_moves_reads_again_and_deletes(page: Page) -> None:
    new_collection(page, "Harbour")
    new_collection(page, "Shore")
    upload(page, TIDES, TWIN)
    for name in ("tides.txt", "tides (copy).txt"):
        row = page.locator("#documents .document-name").filter(has=page.get_by_text(name, exact=True))
        expect(row.locator(".state")).to_have_text(READY, timeout=60_000)
    expect(page.get_by_text("The same file as tides (copy).txt.")).to_be_visible()
    page.get_by_role("link", name="About tides.txt").click()
    expect(page.get_by_text("The same file is here once more.")).to_be_visible()
    looks(page, "about")
    page.get_by_label("New name").fill("springs")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", name="springs.txt")).to_be_visible()
    page.get_by_label("To another collection of yours").select_option("Harbour")
    page.get_by_role("button", name="Move it there").click()
    expect(page.locator(".messages")).to_contain_text("“springs.txt” is in “Harbour” now.")
    page.get_by_role("button", name="Read the original again").click()
    page.get_by_role("heading", name="Harbour").wait_for()
    expect(page.locator("#documents .row .state")).to_have_text(READY, timeout=60_000)
    page.get_by_role("link", name="springs.txt", exact=True).click()
    expect(page.locator(".lines")).to_contain_text("Low water is at noon.")

    page.go_back()
    page.get_by_role("link", name="Delete springs.txt").click()
    expect(page.locator("#frees")).to_contain_text(re.compile(r"Frees on disk.*[\d.]+\s(bytes|KB).*in \d+ files", re.DOTALL))
    looks(page, "document-delete")
    page.get_by_role("link", name="Keep it").click()
    page.get_by_role("link", name="Delete this document…").click()
    page.get_by_role("button", name="Delete the document").click()
    expect(page.locator(".messages")).to_contain_text("“springs.txt” is deleted.")
    expect(page.locator("#documents")).to_contain_text("Nothing is in this collection yet.")
    page.get_by_text("Share, rename or delete").click()
    page.get_by_label("Name", exact=True).fill("Old harbour")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", name="Old harbour")).to_be_visible()
    page.get_by_text("Share, rename or delete").click()
    page.get_by_role("link", name="Delete this collection…").click()
    page.get_by_role("button", name="Delete the collection").click()
    expect(page.locator(".messages")).to_contain_text("“Old harbour” and everything in it is deleted.")
