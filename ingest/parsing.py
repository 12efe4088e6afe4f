"""One file to its text and page map on disk: what runs in a process of its own (ingest.forking), since a file may be hostile.

A paged document's text has its pages' headers and footers once (ingest.running_lines).

Knows no tokens and no chunks: those are made of the text afterwards, by whoever asked (ingest.document).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.errors import LimitExceeded
from ingest.limits import Limits
from ingest.model import Kind, PageSummary, ParsedPage
from ingest.notes import page_notes
from ingest.parsers.base import Parser, ParserContext
from ingest.progress import Progress, Report
from ingest.prompt.page_map import word_rows, write_page_map
from ingest.running_lines import without_running_lines
from ingest.storage import ParsedFiles

_PAGE_SEPARATOR = "\f"

Choose = Callable[[Path, str, Limits], Parser]
"""(file, what its owner calls it, limits) -> its parser. ingest.parsers.registry.choose_parser."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What is said of a file beside what was written. `notes` are sentences for the owner."""

    kind: Kind
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Text:
    """A document's text with the places of its pages and words in it."""

    text: str
    pages: tuple[PageSummary, ...]
    words: tuple[NDArray[np.void], ...]
    notes: tuple[str, ...]


def parse_file(source: Path, label: str, into: ParsedFiles, limits: Limits, report: Report, choose: Choose) -> Parsed:
    """Writes the text and the page map of `source`. Raises FileRefused or LimitExceeded."""
    parser = choose(source, label, limits)
    read = _joined(parser.kind, _pages(parser, source, limits, report))
    # A lone surrogate is no character: it becomes one "?", so that offsets stay.
    with into.text.open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.write(read.text)
    write_page_map(into, parser.kind, read.pages, read.words)
    return Parsed(parser.kind, read.notes)


def _pages(parser: Parser, source: Path, limits: Limits, report: Report) -> Iterator[ParsedPage]:
    """The parser's pages, counted against the limit of characters."""
    context, unit = ParserContext(limits), "pages" if parser.kind is Kind.PAGED else "parts"
    total = parser.count_pages(source, context)
    chars = 0
    for page in parser.parse(source, context):
        chars += len(page.text)
        if chars > limits.text_chars:
            raise LimitExceeded(
                f"This document has more than {limits.text_chars:,} characters, the most that is read. Split it into parts."
            )
        yield page
        report(Progress(f"reading {unit}", page.number, total, unit))


def _joined(kind: Kind, pages: Iterable[ParsedPage]) -> _Text:
    if kind is not Kind.PAGED:
        return _Text("".join(page.text for page in pages), (), (), ())
    words: list[NDArray[np.void]] = []
    seen: list[ParsedPage] = []
    for page in pages:
        words.append(word_rows(page.words, page.number, 0))
        seen.append(replace(page, words=()))
    texts: list[str] = []
    places: list[PageSummary] = []
    start = 0
    for index, (page, (first, last)) in enumerate(zip(seen, without_running_lines([page.text for page in seen]), strict=True)):
        text = page.text[first:last].strip("\n")
        first += len(page.text[first:last]) - len(page.text[first:last].lstrip("\n"))
        texts.append(text)
        words[index] = _moved(words[index], first, first + len(text), start - first)
        end = start + len(text)
        places.append(PageSummary(page.number, start, end, page.width, page.height, bool(page.text.strip())))
        start = end + len(_PAGE_SEPARATOR)
    return _Text(_PAGE_SEPARATOR.join(texts), tuple(places), tuple(words), page_notes(seen))


def _moved(words: NDArray[np.void], first: int, last: int, by: int) -> NDArray[np.void]:
    """The words (WORD_ROW) that stand in first..last, moved by so many characters."""
    moved = words[(words["start"] >= first) & (words["end"] <= last)].copy()
    moved["start"] += by
    moved["end"] += by
    return moved
