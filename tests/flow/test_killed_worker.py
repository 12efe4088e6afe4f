"""A worker killed in the middle of a document: the document ends ready or failed with a reason, and another one loses nothing."""

from __future__ import annotations

import os
import signal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader, PdfWriter

from tests.flow.test_serve import children, command_line
from tests.processes import ROOT, Api, Longread, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.weights]

SAMPLE = ROOT / "samples" / "contract.pdf"
SMALL = b"The small document is not to be lost.\n\nIt has two paragraphs."


def long_pdf(times: int) -> bytes:
    """The sample contract many times over: long enough to be caught in the middle."""
    writer = PdfWriter()
    pages = PdfReader(SAMPLE).pages
    for _ in range(times):
        for page in pages:
            writer.add_page(page)
    target = BytesIO()
    writer.write(target)
    return target.getvalue()


def ingest_processes(longread: Longread) -> tuple[int, list[int]]:
    """The ingest worker and its own children, which do the work."""
    assert longread.process
    (worker,) = [pid for pid in children(longread.process.pid) if "-Q ingest" in command_line(pid)]
    return worker, children(worker)


def caught_in_the_middle(api: Api, document: str) -> bool:
    progress = api.get(f"/documents/{document}")["progress"]
    return bool(progress and progress["unit"] == "pages" and 0 < progress["done"] < progress["total"])


def settled(api: Api, document: str) -> dict[str, Any] | None:
    shown = api.get(f"/documents/{document}")
    return shown if shown["state"] in {"parsed", "reading", "indexed", "ready", "failed"} else None


def uploaded(api: Api) -> tuple[str, str]:
    collection = api.post("/collections", {"name": "Killed"})["id"]
    big, small = api.upload(collection, ("long.pdf", long_pdf(150)), ("small.txt", SMALL))
    return big["document"]["id"], small["document"]["id"]


def test_it_reads_on_when_the_process_that_reads_is_killed(tmp_path: Path) -> None:
    longread = Longread(tmp_path / "home", {"LONGREAD_SILENCE_SECONDS": "8"})
    longread.start()
    try:
        api = Api(longread, "alice")
        big, small = uploaded(api)
        wait_for(lambda: caught_in_the_middle(api, big), 60, "the middle of the long document")
        for pid in ingest_processes(longread)[1]:
            os.kill(pid, signal.SIGKILL)
        shown = wait_for(lambda: settled(api, big), 150, "the end of the long document")
        assert shown["state"] != "failed", shown["error"]
        assert shown["page_count"] == 150 * len(PdfReader(SAMPLE).pages)
        assert wait_for(lambda: settled(api, small), 60, "the end of the small document")["state"] != "failed"
    finally:
        longread.stop()


def test_it_goes_on_after_the_worker_was_killed_and_longread_started_again(tmp_path: Path) -> None:
    longread = Longread(tmp_path / "home", {"LONGREAD_SILENCE_SECONDS": "8"})
    longread.start()
    api = Api(longread, "alice")
    big, small = uploaded(api)
    wait_for(lambda: caught_in_the_middle(api, big), 60, "the middle of the long document")
    os.kill(ingest_processes(longread)[0], signal.SIGKILL)
    assert longread.process
    assert "The ingest worker was killed by SIGKILL" in longread.process.communicate(timeout=30)[0]
    longread.start()
    try:
        shown = wait_for(lambda: settled(api, big), 150, "the end of the long document")
        assert shown["state"] != "failed", shown["error"]
        assert wait_for(lambda: settled(api, small), 60, "the end of the small document")["state"] != "failed"
    finally:
        longread.stop()
