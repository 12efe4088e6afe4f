"""One file to its text and page map on disk: what runs in a process of its own (ingest.forking), since a file may be hostile.

A paged document's text has its pages' headers and footers once (ingest.running_lines); one without pages has the words of its pictures
where those are (ingest.inlaid). Signs that look like a plain one are it (ingest.plain_signs), but in code, where every character counts.

Knows no tokens and no chunks: those are made of the text afterwards, by whoever asked (ingest.document).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from ingest.inlaid import inlaid, with_pictures
from ingest.limit_settings import exceeded
from ingest.limits import Limits
from ingest.model import Kind, PageSummary, ParsedPage
from ingest.notes import page_notes, picture_notes
from ingest.parsers.base import Parser, ParserContext
from ingest.parsers.left_out import pictures_in
from ingest.plain_signs import with_plain_signs
from ingest.progress import OCR_STAGE, Progress, Report
from ingest.prompt.page_map import write_page_map
from ingest.running_lines import without_running_lines
from ingest.scans import read_scans
from ingest.storage import ParsedFiles
from ingest.waiting import WaitingPages

_PAGE_SEPARATOR = "\f"

Choose = Callable[[Path, str, Limits], Parser]
"""(file, what its owner calls it, limits) -> its parser. ingest.parsers.registry.choose_parser."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What is said of a file beside what was written. `notes` are sentences for the owner."""

    kind: Kind
    notes: tuple[str, ...]


def parse_file(source: Path, label: str, into: ParsedFiles, limits: Limits, report: Report, choose: Choose) -> Parsed:
    """Writes the text and the page map of `source`. Raises FileRefused or LimitExceeded."""
    parser = choose(source, label, limits)
    pages = _pages(parser, source, into, limits, report)
    # A lone surrogate is no character: it becomes one "?", so that offsets stay.
    with into.text.open("w", encoding="utf-8", errors="replace", newline="") as file:
        if parser.kind is Kind.PAGED:
            return Parsed(parser.kind, _write_pages(pages, file, into))
        pictures: list[ParsedPage] = []
        write_page_map(into, parser.kind, _parts_written(pages, file, pictures))
    left_out = pictures_in(source) - len(pictures) if parser.kind is Kind.TEXT else 0
    return Parsed(parser.kind, picture_notes(pictures, left_out))


def _pages(parser: Parser, source: Path, into: ParsedFiles, limits: Limits, report: Report) -> Iterator[ParsedPage]:
    """The parser's pages, or the parts of a file without any, each after its pictures; counted against the limit of characters."""
    context, paged = ParserContext(limits, into.embedded), parser.kind is Kind.PAGED
    total = parser.count_pages(source, context)
    chars = 0
    for page in read_scans(with_pictures(parser.parse(source, context)), source if paged else into.embedded, limits):
        unit = "pages" if paged else "pictures" if page.has_image else "parts"
        chars += len(page.text)
        if chars > limits.text_chars:
            where = f"{unit[:-1]} {page.number:,}" + (f" of {total:,}" if total else "")
            said = f"This document has more than the {limits.text_chars:,} characters that are read, and is past them at {where}."
            raise exceeded(said, "Split it into parts", "text_chars")
        yield page if parser.kind is Kind.CODE else replace(page, text=with_plain_signs(page.text))
        report(Progress(OCR_STAGE if page.wants_ocr else f"reading {unit}", page.number, total, unit))


def _parts_written(pages: Iterable[ParsedPage], file: TextIO, pictures: list[ParsedPage]) -> Iterator[tuple[PageSummary, NDArray[np.void]]]:
    """Writes the parts; gives their pictures' places and words, and puts them without those into `pictures`."""
    start, read = 0, {}
    for page in pages:
        if page.has_image:
            read[page.number] = page
            continue
        part = inlaid(page, read, start)
        file.write(part.text)
        start += len(part.text)
        yield from part.pictures
        pictures += [replace(picture, words=()) for picture in read.values()]
        read = {}


def _write_pages(pages: Iterable[ParsedPage], file: TextIO, into: ParsedFiles) -> tuple[str, ...]:
    """Writes their text and page map, which only the last page decides on. Gives the notes."""
    waiting = WaitingPages(into.folder)
    for page in pages:
        waiting.add(page)
    write_page_map(into, Kind.PAGED, _written(waiting, file))
    return page_notes(waiting)


def _written(waiting: WaitingPages, file: TextIO) -> Iterator[tuple[PageSummary, NDArray[np.void]]]:
    """Each page's place and words, once what is left of its text is written."""
    start = 0
    for page, (first, last), words in zip(waiting, without_running_lines(waiting.texts), waiting.words(), strict=True):
        text = page.text[first:last].strip("\n")
        first += len(page.text[first:last]) - len(page.text[first:last].lstrip("\n"))
        end = start + len(text)
        file.write((_PAGE_SEPARATOR if start else "") + text)
        yield _summary(page, start, end), _moved(words, first, first + len(text), start - first)
        start = end + len(_PAGE_SEPARATOR)


def _summary(page: ParsedPage, start: int, end: int) -> PageSummary:
    read = (page.reading, page.confidence, page.language)
    return PageSummary(page.number, start, end, page.width, page.height, bool(page.text.strip()), page.shows_more, *read)


def _moved(words: NDArray[np.void], first: int, last: int, by: int) -> NDArray[np.void]:
    """The words (WORD_ROW) that stand in first..last, moved by so many characters."""
    moved = words[(words["start"] >= first) & (words["end"] <= last)].copy()
    moved["start"] += by
    moved["end"] += by
    return moved
