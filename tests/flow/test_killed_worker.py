"""A worker killed in the middle of a document: the document ends ready or failed with a reason, and another one loses nothing."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader, PdfWriter

from tests.browser.looks import looks
from tests.browser.rows import Rows
from tests.chromium import chromium, opened
from tests.processes import ROOT, Api, Longread, children, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.weights]

SAMPLE = ROOT / "samples" / "contract.pdf"
SMALL = b"The small document is not to be lost.\n\nIt has two paragraphs."


# Long enough to be caught in the middle: so many times the sample contract.
TIMES = 80


@cache
def long_pdf() -> bytes:
    writer = PdfWriter()
    pages = PdfReader(SAMPLE).pages
    for _ in range(TIMES):
        for page in pages:
            writer.add_page(page)
    target = BytesIO()
    writer.write(target)
    return target.getvalue()


def caught_in_the_middle(api: Api, document: str) -> bool:
    progress = api.get(f"/documents/{document}")["progress"]
    return bool(progress and progress["unit"] == "pages" and 0 < progress["done"] < progress["total"])


def settled(api: Api, document: str) -> dict[str, Any] | None:
    shown = api.get(f"/documents/{document}")
    return shown if shown["state"] in {"parsed", "reading", "indexed", "ready", "failed"} else None


@pytest.fixture
def api(mortal: Longread) -> Api:
    return Api(mortal, "alice")


@pytest.fixture
def documents(api: Api) -> Iterator[tuple[str, str]]:
    """A long one, which is being read, and a small one that waits."""
    collection = api.post("/collections", {"name": "Killed"})["id"]
    big, small = (row["document"]["id"] for row in api.upload(collection, ("long.pdf", long_pdf()), ("small.txt", SMALL)))
    wait_for(lambda: caught_in_the_middle(api, big), 60, "the middle of the long document")
    yield big, small
    api.delete(f"/collections/{collection}")


def ended_well(api: Api, documents: tuple[str, str]) -> None:
    big = wait_for(lambda: settled(api, documents[0]), 150, "the end of the long document")
    assert big["state"] != "failed", big["error"]
    assert big["page_count"] == TIMES * len(PdfReader(SAMPLE).pages)
    assert wait_for(lambda: settled(api, documents[1]), 60, "the end of the small document")["state"] != "failed"


def test_it_reads_on_when_the_process_that_reads_is_killed(mortal: Longread, api: Api, documents: tuple[str, str]) -> None:
    for pid in children(mortal.part("-Q ingest")):
        os.kill(pid, signal.SIGKILL)
    ended_well(api, documents)


def test_an_archive_whose_worker_was_killed_leaves_nothing_of_the_first_attempt(mortal: Longread, api: Api) -> None:
    target = BytesIO()
    with ZipFile(target, "w", ZIP_DEFLATED) as packed:
        for number in range(1_000):
            packed.writestr(f"{number}.txt", f"{number} is unlike the others.\n" * 8_000)
    collection = api.post("/collections", {"name": "Killed archive"})["id"]
    (row,) = api.upload(collection, ("many.zip", target.getvalue()))
    wait_for(lambda: list(mortal.home.glob("unpack-*")), 60, "the unpacking")
    mortal.killed("-Q ingest")
    assert list(mortal.home.glob("unpack-*"))
    mortal.start()
    wait_for(lambda: api.get(f"/documents/{row['document']['id']}")["state"] == "ready", 150, "the end of the archive")
    assert not list(mortal.home.glob("unpack-*"))
    code = "from webapp.library.models import Document; print(*Document.objects.values_list('id', flat=True))"
    known = mortal.manage("shell", "--verbosity=0", "-c", code)
    folders = {path.name for path in (mortal.home / "documents").iterdir()} - {"forget"}
    assert folders <= set(known.split())
    api.delete(f"/collections/{collection}")


def test_it_goes_on_after_the_worker_was_killed_and_the_dashboard_shows_it_as_lost(
    mortal: Longread, api: Api, documents: tuple[str, str]
) -> None:
    lost = mortal.part("-Q ingest")
    assert "The ingest worker was killed by SIGKILL" in mortal.killed("-Q ingest")
    mortal.start()
    ended_well(api, documents)
    rows = Rows(mortal)
    session = rows("session", name="olga", operator=True)
    rows.close()
    with chromium() as browser:
        page = opened(browser, mortal.address, session).new_page()
        page.goto("/dashboard/")
        worker = page.locator(".worker", has_text=f"process {lost} ")
        expect(worker.locator(".state")).to_have_text("died", timeout=30_000)
        expect(worker).to_contain_text(re.compile("jobs? left behind"))
        expect(worker).to_contain_text("long.pdf")
        expect(worker).to_contain_text("reading pages")
        attention = page.get_by_role("region", name="What needs attention")
        expect(attention).to_contain_text(re.compile(r"It left \d jobs?\. Another of its name has taken its place\."))
        looks(page, "lost-worker")
