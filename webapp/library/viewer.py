"""What the viewer shows of a document: a run of pages or of lines around a place, with the wanted characters marked.

A mark is exact or absent: nothing is guessed. Offsets are characters of the document's text; pages and lines count from 1.
Knows no request and no HTML.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from django.utils.translation import gettext
from numpy.typing import NDArray
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.token import STANDARD_TYPES, Token
from pygments.util import ClassNotFound

from ingest.model import Box, Kind
from ingest.prompt.page_map import PageMap
from ingest.render import PANE
from webapp.library.built import built_pieces
from webapp.library.models import Document, Page, PageReading

PAGES_BEFORE = 1
PAGES_SHOWN = 6
LINES_BEFORE = 80
LINES_SHOWN = 400
# Colours need the whole file, since a string may begin anywhere above; past this size the window alone is coloured.
COLOURED_WHOLE_CHARS = 400_000
# One line of a megabyte is data: it is shown cut, or it would hold up the page.
LINE_CHARS = 5_000
IMAGE_WIDTH = PANE
_CSS_PIXELS = 96 / 72  # to a point


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text of one colour (a Pygments class, or '') inside or outside the mark."""

    text: str
    css: str
    marked: bool


@dataclass(frozen=True, slots=True)
class ViewedPicture:
    """A picture under the line that shows it. Width and height in CSS pixels; `outline` and `reading` as of a page."""

    number: int
    width: int
    height: int
    outline: str
    reading: str


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    pieces: list[Piece]
    marked: bool
    first_marked: bool
    pictures: list[ViewedPicture] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of a page as it is laid over the page's image to be selected: where its letters stand, in thousandths of the page's width."""

    text: str
    left: float
    base: float
    width: float
    size: float


@dataclass(frozen=True, slots=True)
class ViewedPage:
    """`outline` is the SVG path of the mark in fractions of the page, '' where nothing on it is marked. `tall`: the page's height in
    thousandths of its width. `reading`: how OCR read it, for people, '' where the text is the file's own; `language`: of that text."""

    number: int
    image_height: int
    tall: int
    outline: str
    first_marked: bool
    pieces: list[Piece]
    lines: list[TextLine]
    reading: str
    language: str


@dataclass(frozen=True, slots=True)
class View:
    """A run of pages or lines: `first` to `last` of `count`. `earlier` and `later` are where the runs beside it begin, if any."""

    kind: str
    first: int
    last: int
    count: int
    wanted: int
    start: int
    end: int
    pages: list[ViewedPage] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    @property
    def unit(self) -> str:
        return "page" if self.kind == Kind.PAGED else "line"

    @property
    def earlier(self) -> int | None:
        size = PAGES_SHOWN if self.kind == Kind.PAGED else LINES_SHOWN
        return max(1, self.first - size) if self.first > 1 else None

    @property
    def later(self) -> int | None:
        return self.last + 1 if self.last < self.count else None


def view_document(
    document: Document, *, wanted: int | None, start: int, end: int, run: int | None = None, until: int | None = None
) -> View:
    """The run around `wanted` (a page or line), or around the characters start..end; or exactly the run that begins at `run`."""
    if document.kind == Kind.PAGED:
        return _pages(document, wanted, start, end, run, until)
    return _lines(document, wanted, start, end, run, until)


def _run(wanted: int, count: int, before: int, size: int, run: int | None, until: int | None) -> tuple[int, int]:
    first = min(max(1, wanted - before if run is None else run), max(1, count))
    last = min(count, first + size - 1)
    return first, min(last, until) if until else last


def _text(document: Document) -> str:
    return document.folder.parsed.text.read_bytes().decode("utf-8")


def _pages(document: Document, wanted: int | None, start: int, end: int, run: int | None, until: int | None) -> View:
    boxes: dict[int, list[Box]] = {}
    page_map = _page_map(document)
    if end > start and page_map is not None:
        place = page_map.place(start, end)
        wanted = wanted or place.page
        for page, box in place.boxes:
            boxes.setdefault(page, []).append(box)
    count = document.page_count
    wanted = min(max(1, wanted or 1), max(1, count))
    first, last = _run(wanted, count, PAGES_BEFORE, PAGES_SHOWN, run, until)
    text = _text(document)
    marked = min(boxes, default=0)
    rows = document.pages.filter(number__range=(first, last)).order_by("number")
    pages = [
        ViewedPage(
            number=page.number,
            image_height=round(IMAGE_WIDTH * _shape(page)),
            tall=round(1000 * _shape(page)),
            outline=outline(boxes.get(page.number, [])),
            first_marked=page.number == marked,
            pieces=_marked_pieces(text[page.start_char : page.end_char], "", page.start_char, start, end),
            lines=text_lines(page_map.words_of(page.number), text, _shape(page)) if page_map is not None else [],
            reading=page.get_reading_display() if page.reading != PageReading.FILE else "",
            language=page.language,
        )
        for page in rows
    ]
    return View(document.kind, first, last, count, wanted, start, end, pages=pages)


def _page_map(document: Document) -> PageMap | None:
    """None for a document whose files are gone but for its text."""
    parsed = document.folder.parsed
    return PageMap.open(parsed) if parsed.pages.exists() and parsed.words.exists() else None


def _shape(page: Page) -> float:
    """Height by width."""
    return page.height / page.width if page.width else 1.414


class _Word(NamedTuple):
    """A WORD_ROW in plain numbers, which are read several times as quickly as the fields of an array's rows."""

    start: int
    end: int
    page: int
    left: float
    top: float
    right: float
    bottom: float


def text_lines(words: NDArray[np.void], text: str, shape: float) -> list[TextLine]:
    """A page's words (WORD_ROW) as lines: one ends where the text has a line break, and where a word stands left of the one before."""
    lines: list[TextLine] = []
    row: list[_Word] = []
    for word in (_Word(*fields) for fields in words.tolist()):
        if row and ("\n" in text[row[-1].end : word.start] or word.left < row[-1].left):
            lines.append(_text_line(row, text, shape))
            row = []
        row.append(word)
    return [*lines, _text_line(row, text, shape)] if row else lines


def _text_line(row: list[_Word], text: str, shape: float) -> TextLine:
    left, right = row[0].left, row[-1].right
    top, bottom = min(word.top for word in row), max(word.bottom for word in row)
    size = 1000 * shape * (bottom - top)
    return TextLine(
        text[row[0].start : row[-1].end],
        round(1000 * left, 1),
        round(1000 * shape * bottom - 0.2 * size, 1),
        round(1000 * (right - left), 1),
        round(size, 1),
    )


def outline(boxes: list[Box]) -> str:
    """One path over all lines of a quote: the gap to the next line is closed where the two overlap from the side."""
    lines = sorted(boxes, key=lambda box: (box[1], box[0]))
    parts = []
    for line, following in zip_longest(lines, lines[1:]):
        left, top, right, bottom = line
        if following is not None:
            close = following[1] - bottom < bottom - top and following[1] > top
            if close and following[0] < right and following[2] > left:
                bottom = max(bottom, following[1])
        parts.append(f"M{left:.4f} {top:.4f}H{right:.4f}V{bottom:.4f}H{left:.4f}Z")
    return "".join(parts)


def _lines(document: Document, wanted: int | None, start: int, end: int, run: int | None, until: int | None) -> View:
    text = _text(document)
    starts = _line_starts(text)
    count = len(starts)
    if wanted is None and end > start:
        wanted = bisect_right(starts, start)
    wanted = min(max(1, wanted or 1), count)
    first, last = _run(wanted, count, LINES_BEFORE, LINES_SHOWN, run, until)
    window_start = starts[first - 1]
    window_end = starts[last] if last < count else len(text)
    pieces = _coloured(document, text, window_start, window_end)
    lines = _cut(pieces, first, window_start, start, end)
    for picture, at in _pictures(document, window_start, window_end, start, end):
        lines[min(bisect_right(starts, at), last) - first].pictures.append(picture)
    return View(document.kind, first, last, count, wanted, start, end, lines=lines)


def _pictures(document: Document, first: int, last: int, start: int, end: int) -> Iterator[tuple[ViewedPicture, int]]:
    """The pictures that stand between two characters, and at which; those of start..end are marked."""
    rows = list(document.pages.filter(start_char__range=(first, last - 1)).order_by("number")) if document.kind == Kind.TEXT else []
    boxes: dict[int, list[Box]] = {}
    if any(row.start_char < end and start < row.end_char for row in rows) and (page_map := _page_map(document)) is not None:
        for number, box in page_map.place(start, end).boxes:
            boxes.setdefault(number, []).append(box)
    for row in rows:
        size = round(row.width * _CSS_PIXELS), round(row.height * _CSS_PIXELS)
        yield ViewedPicture(row.number, *size, outline(boxes.get(row.number, [])), _picture_read(row)), row.start_char


def _picture_read(row: Page) -> str:
    if row.reading == PageReading.UNREAD:
        return gettext("Not read by OCR")
    return row.get_reading_display() if row.reading != PageReading.FILE else ""


def _line_starts(text: str) -> list[int]:
    starts = [0]
    position = text.find("\n")
    while position >= 0:
        starts.append(position + 1)
        position = text.find("\n", position + 1)
    return starts


def _lexer(document: Document) -> Lexer | None:
    if document.kind != Kind.CODE:
        return None
    try:
        return get_lexer_for_filename(document.name)
    except ClassNotFound:
        return None


def _coloured(document: Document, text: str, start: int, end: int) -> list[tuple[str, str]]:
    """The characters start..end, which begin a line, as (text, CSS class)."""
    if document.kind == Kind.TEXT:
        return built_pieces(text[start:end])
    lexer = _lexer(document)
    if lexer is None:
        return [(text[start:end], "")]
    offset = 0 if len(text) <= COLOURED_WHOLE_CHARS else start
    pieces = []
    for position, kind, value in lexer.get_tokens_unprocessed(text[offset:end]):
        kept = value[max(0, start - offset - position) :]
        if kept:
            pieces.append((kept, _css(kind)))
    return pieces


def _css(kind: object) -> str:
    while kind not in STANDARD_TYPES:
        kind = getattr(kind, "parent", None) or Token
    return STANDARD_TYPES[kind]  # type: ignore[index]


def _cut(pieces: list[tuple[str, str]], number: int, position: int, start: int, end: int) -> list[Line]:
    """The pieces as numbered lines, cut where the mark begins and ends. `position` is the character at which they begin."""
    lines: list[Line] = []
    row: list[Piece] = []
    seen_mark = False

    def close() -> None:
        nonlocal row, seen_mark
        marked = any(piece.marked for piece in row)
        lines.append(Line(number + len(lines), _shortened(row), marked, marked and not seen_mark))
        seen_mark = seen_mark or marked
        row = []

    for text, css in pieces:
        parts = text.split("\n")
        for index, part in enumerate(parts):
            row += _marked_pieces(part.rstrip("\r"), css, position, start, end)
            position += len(part) + 1
            if index < len(parts) - 1:
                close()
        position -= 1
    if row or not lines:
        close()
    return lines


def _marked_pieces(text: str, css: str, position: int, start: int, end: int) -> list[Piece]:
    """The text, which begins at `position`, cut at start and end; empty pieces left out."""
    first = min(max(0, start - position), len(text)) if end > start else len(text)
    last = min(max(first, end - position), len(text))
    parts = ((text[:first], False), (text[first:last], True), (text[last:], False))
    return [Piece(part, css, marked) for part, marked in parts if part]


def _shortened(row: list[Piece]) -> list[Piece]:
    shown: list[Piece] = []
    room = LINE_CHARS
    for piece in row:
        if len(piece.text) > room and not piece.marked:
            return [*shown, Piece(piece.text[:room] + " …", piece.css, False)]
        shown.append(piece)
        room -= min(room, len(piece.text))
    return shown
