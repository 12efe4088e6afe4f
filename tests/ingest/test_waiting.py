"""Pages that wait in files: they come back as they were, and a document of many takes no more memory than one of few."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from ingest.apart import ParsingProcess
from ingest.limits import Limits
from ingest.model import Kind, ParsedPage, Reading, Word
from ingest.parsers import pdf
from ingest.parsers.base import ParserContext
from ingest.parsers.pdf import PdfParser
from ingest.parsing import parse_file
from ingest.progress import silent
from ingest.storage import ParsedFiles
from ingest.waiting import WaitingPages
from tests.ingest import pdfs

MB = 1 << 20


def test_pages_come_back_as_often_as_they_are_asked_for(tmp_path: Path) -> None:
    pages = [
        ParsedPage(1, "Zölle \ud83d 😀\x00\f\n", 595.28, 841.89, (Word(0, 5, (0.1, 0.25, 0.5, 0.75)),), has_image=True),
        ParsedPage(2, "", reading=Reading.POOR, confidence=0.1 + 0.2, language="de", shows_more=True, wants_ocr=True),
    ]
    waiting = WaitingPages(tmp_path)
    for page in pages:
        waiting.add(page)
    without_words = [replace(page, words=()) for page in pages]
    assert list(zip(waiting, waiting, waiting.texts, strict=True)) == [(page, page, page.text) for page in without_words]
    first, second = waiting.words()
    assert (first.tolist(), len(second)) == ([(0, 5, 1, 0.10000000149011612, 0.25, 0.5, 0.75)], 0)
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True, slots=True)
class ManyPages:
    """A parser whose pages are made as they are asked for."""

    count: int
    kind: Kind = Kind.PAGED

    def count_pages(self, source: Path, context: ParserContext) -> int:
        return self.count

    def parse(self, source: Path, context: ParserContext) -> Iterator[ParsedPage]:
        for number in range(1, self.count + 1):
            lines = [f"The toll of gate {number * 100 + line} is paid at the gate and nowhere else." for line in range(200)]
            words = tuple(Word(start, start + 3, (0.1, 0.1, 0.2, 0.2)) for start in range(20))
            yield ParsedPage(number, "\n".join([*lines, f"Page {number}"]), 595.0, 842.0, words)


def test_what_is_held_does_not_grow_with_the_pages(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        parse_file(tmp_path / "original", "a.pdf", ParsedFiles(tmp_path), Limits(), silent, lambda *_: ManyPages(1_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    text = (tmp_path / "text.txt").read_text()
    assert len(text) > 11 * MB
    assert (text.count("\f"), text.count("Page ")) == (999, 1)
    assert len(json.loads((tmp_path / "pages.json").read_text())["pages"]) == 1_000
    assert peak < 2 * MB


@pytest.fixture
def parsing() -> Iterator[ParsingProcess]:
    process = ParsingProcess()
    yield process
    process.close()


def heavy(pages: int) -> bytes:
    """A PDF whose every page has 250 KB of content that draws nothing, and "hello"."""
    padding = "%" + "0123456789abcdef" * 16_000 + "\nBT /F1 12 Tf 72 720 Td (hello) Tj ET"
    page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {} 0 R/Resources<</Font<</F1 5 0 R>>>>>>"
    more = []
    for number in range(6, 6 + 2 * pages, 2):
        more += [f"<</Length {len(padding)}>>\nstream\n{padding}\nendstream", page.format(number)]
    return pdfs.by_hand(" ".join(f"{number} 0 R" for number in range(7, 7 + 2 * pages, 2)), pages, page.format(4), more=more)


def test_pdfium_does_not_keep_what_was_read(parsing: ParsingProcess, tmp_path: Path) -> None:
    peaks = []
    for pages in (3, 360):
        source, into = tmp_path / f"{pages}.pdf", tmp_path / str(pages)
        source.write_bytes(heavy(pages))
        into.mkdir()
        parsing.parse(source, "a.pdf", ParsedFiles(into), Limits(), silent)
        assert (into / "text.txt").read_text().split("\f") == ["hello"] * pages
        peaks.append(parsing.peak_bytes)
    # The first opening in a process may take long, and then more is read before the next: some 30 MB of these.
    assert source.stat().st_size > 85 * MB
    assert peaks[1] - peaks[0] < 55 * MB


def test_a_document_that_is_opened_anew_gives_the_same_pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "original"
    source.write_bytes(pdfs.pages_of_text(*([(72.0, 100.0, f"Page {number} says so.")] for number in range(1, 8))))
    at_once = list(PdfParser().parse(source, ParserContext()))
    opened: list[object] = []
    whole = pdf._page

    def noting(document: object, index: int, *rest: object) -> ParsedPage:
        opened.append(document)
        return whole(document, index, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pdf, "_page", noting)
    monkeypatch.setattr(pdf, "_HELD_PAGES", 3)
    monkeypatch.setattr(pdf, "_OPENING_MOST", 0)
    assert list(PdfParser().parse(source, ParserContext())) == at_once
    assert [index for index, (before, after) in enumerate(pairwise(opened), 1) if before is not after] == [3, 6]
