"""PDF: each page's text in reading order and its words with their boxes, by PDFium. Draws nothing and reads no scan.

PDFium gives characters in the order of the page's content with `\\r\\n` between lines. What is added here: a blank line where the
vertical gap says that a paragraph ends, and a word that a line end cut in two is put together (its halves keep their boxes). Nothing else
is joined, so the text stays as it stands on the page.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

from ingest.errors import FileRefused, LimitExceeded
from ingest.model import Box, Kind, ParsedPage, Word
from ingest.parsers.base import ParserContext
from ingest.parsers.hyphens import Hyphens

# A word ends at white space; a Chinese or Japanese character is a word of its own, or a quote would light whole lines.
_CJK = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
# PDFium marks a hyphen at a line end with one of two codes and leaves the line break out; here the first code ends word and line.
_HYPHENS = (0x02, 0xFFFE)
_HYPHEN = "\x02"
_WORD = re.compile(rf"[{_CJK}]|[^\s\x02{_CJK}]*\x02|[^\s\x02{_CJK}]+")
_LINE = re.compile(r"[^\n\x02]*[\n\x02]|[^\n\x02]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PARAGRAPH_GAP = 0.4  # of the line's height, above the page's usual gap
_PICTURE_SHARE = 0.5  # of the page's area: above it the page is mainly a picture
_DEVICE_UNITS = 1_000_000  # fractions of a page to six digits

_LOCKED = (
    "This PDF is locked with a password. Open it with the password, save or print it as a new PDF without one, then upload the new file."
)
_DAMAGED = "This PDF is damaged and cannot be opened. Open it in a PDF reader, save or print it as a new PDF, then upload the new file."


@dataclass(frozen=True, slots=True)
class _Line:
    """One line as PDFium gives it: its text, and its words (offsets in the line) with boxes. `is_cut`: a hyphen ends it inside a word."""

    text: str
    words: tuple[Word, ...]
    is_cut: bool

    @property
    def top(self) -> float:
        return min(word.box[1] for word in self.words)

    @property
    def bottom(self) -> float:
        return max(word.box[3] for word in self.words)


@dataclass(frozen=True, slots=True)
class PdfParser:
    """Reads PDF files. PDFium is not thread-safe: one file at a time in a process."""

    kind: Kind = Kind.PAGED

    def count_pages(self, source: Path, context: ParserContext) -> int:
        with _opened(source, context) as document:
            return len(document)

    def parse(self, source: Path, context: ParserContext) -> Iterator[ParsedPage]:
        with _opened(source, context) as document:
            readable, hyphens = False, Hyphens()
            for index in range(len(document)):
                page = _page(document, index, hyphens)
                readable = readable or page.width > 0
                yield page
            if not readable:
                raise FileRefused(_DAMAGED)


@contextmanager
def _opened(source: Path, context: ParserContext) -> Iterator[Any]:
    try:
        document = pdfium.PdfDocument(source)
    except pdfium.PdfiumError as error:
        locked = error.err_code == pdfium_c.FPDF_ERR_PASSWORD
        raise FileRefused(_LOCKED if locked else _DAMAGED) from error
    try:
        if len(document) == 0:
            raise FileRefused(_DAMAGED)
        if len(document) > context.limits.pages:
            _require_page(document, context.limits.pages)
            raise LimitExceeded(
                f"This PDF has {len(document):,} pages; {context.limits.pages:,} are read at most. Split it into parts, then upload them."
            )
        yield document
    finally:
        document.close()


def _require_page(document: Any, index: int) -> None:
    """A page tree may claim any number of pages; one that is there can be loaded."""
    try:
        document[index].close()
    except pdfium.PdfiumError as error:
        raise FileRefused(_DAMAGED) from error


def _page(document: Any, index: int, hyphens: Hyphens) -> ParsedPage:
    try:
        page = document[index]
    except pdfium.PdfiumError:
        return ParsedPage(number=index + 1, text="")
    try:
        width, height = page.get_size()
        text, words = _assemble(_lines(page), hyphens)
        return ParsedPage(index + 1, text, width, height, words, _is_picture(page))
    finally:
        page.close()


def _lines(page: Any) -> list[_Line]:
    textpage = page.get_textpage()
    try:
        characters = _characters(textpage)
        spans = [(match.start(), match.end()) for match in _WORD.finditer(characters)]
        boxes = _boxes(page, textpage, spans)
        return list(_split_lines(characters, spans, boxes))
    finally:
        textpage.close()


def _characters(textpage: Any) -> str:
    """One character for each of PDFium's, so that an offset here is PDFium's index. An emoji is two, as in UTF-16 (see `_paired`).

    Asked for all at once, PDFium leaves out characters that it cannot name; the count tells, and then they are asked for one by one.
    """
    count = textpage.count_chars()
    units = (ctypes.c_ushort * (count + 1))()
    pdfium_c.FPDFText_GetText(textpage, 0, count, units)
    text = "".join(map(chr, units[:count])).rstrip("\x00").translate(_CLEANED)
    if len(text) == count:
        return text
    return "".join([_character(pdfium_c.FPDFText_GetUnicode(textpage, index)) for index in range(count)])


def _character(code: int) -> str:
    if code in _HYPHENS:
        return _HYPHEN
    if code >= 0x20:
        return chr(code)
    return "\n" if code == 0x0A else " " if code != 0x0D else "\r"


_CLEANED = {code: _character(code) for code in (*range(0x20), *_HYPHENS)}


def _boxes(page: Any, textpage: Any, spans: list[tuple[int, int]]) -> list[Box | None]:
    """Each span's box as fractions of the visible page; None where PDFium has none."""
    corners = np.full((len(spans), 4), np.nan)
    first, last = pdfium_c.FS_RECTF(), pdfium_c.FS_RECTF()
    for row, (start, end) in enumerate(spans):
        if pdfium_c.FPDFText_GetLooseCharBox(textpage, start, first) and pdfium_c.FPDFText_GetLooseCharBox(textpage, end - 1, last):
            corners[row] = (
                min(first.left, last.left),
                max(first.top, last.top),
                max(first.right, last.right),
                min(first.bottom, last.bottom),
            )
    return [None if np.isnan(box[0]) else (box[0], box[1], box[2], box[3]) for box in _on_page(page, corners).tolist()]


def _on_page(page: Any, corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Page coordinates to fractions from the top left. PDFium itself says where the axes go, crop box and rotation included."""
    # corners: [words, (left, top, right, bottom)] in points, y up
    origin, right, up = (_device(page, x, y) for x, y in ((0.0, 0.0), (1000.0, 0.0), (0.0, 1000.0)))
    axes = np.stack([right - origin, up - origin]) / 1000.0
    one = (corners[:, [0, 1]] @ axes + origin) / _DEVICE_UNITS
    two = (corners[:, [2, 3]] @ axes + origin) / _DEVICE_UNITS
    return np.asarray(np.clip(np.concatenate([np.minimum(one, two), np.maximum(one, two)], axis=1), 0.0, 1.0))


def _device(page: Any, x: float, y: float) -> NDArray[np.float64]:
    across, down = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDF_PageToDevice(page, 0, 0, _DEVICE_UNITS, _DEVICE_UNITS, 0, x, y, across, down)
    return np.array([across.value, down.value], dtype=np.float64)


def _split_lines(characters: str, spans: list[tuple[int, int]], boxes: list[Box | None]) -> Iterator[_Line]:
    next_word = 0
    for match in _LINE.finditer(characters):
        start, end = match.span()
        plain = _SURROGATE.search(match[0]) is None
        words = []
        while next_word < len(spans) and spans[next_word][0] < end:
            box = boxes[next_word]
            if box is not None:
                first, last = spans[next_word]
                words.append(Word(first - start, last - start, box) if plain else _paired_word(characters, start, first, last, box))
            next_word += 1
        yield _Line(_paired(match[0].rstrip("\r\n").replace(_HYPHEN, "-")), tuple(words), match[0].endswith(_HYPHEN))


def _paired_word(characters: str, line: int, first: int, last: int, box: Box) -> Word:
    """The word at first..last of a line that begins at `line`, with each pair of surrogates counted as one character."""
    return Word(len(_paired(characters[line:first])), len(_paired(characters[line:last])), box)


def _paired(text: str) -> str:
    """The text with each pair of surrogates as the character that it means."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")


def _assemble(lines: list[_Line], hyphens: Hyphens) -> tuple[str, tuple[Word, ...]]:
    """The page's text with a blank line between paragraphs and cut words whole, and the words with their offsets in it."""
    hyphens.learn("\n".join(line.text for line in lines))
    parts: list[str] = []
    words: list[Word] = []
    length = 0
    breaks = _paragraph_breaks(lines)
    for index, line in enumerate(lines):
        goes_on = line.is_cut and index + 1 < len(lines)
        text = line.text[:-1] if goes_on and not hyphens.stays(line.text[:-1], lines[index + 1].text) else line.text
        words.extend(Word(length + word.start, length + min(word.end, len(text)), word.box) for word in line.words)
        text += "" if goes_on or index + 1 == len(lines) else "\n\n" if index + 1 in breaks else "\n"
        parts.append(text)
        length += len(text)
    return "".join(parts), tuple(words)


def _paragraph_breaks(lines: list[_Line]) -> set[int]:
    """Lines that open a paragraph: further below the line before than is usual on this page, or back above it (a new column)."""
    pairs = [(index, above, below) for index, (above, below) in enumerate(pairwise(lines), 1)]
    pairs = [(index, above, below) for index, above, below in pairs if above.words and below.words]
    if not pairs:
        return set()
    gaps = sorted(below.top - above.bottom for _, above, below in pairs if below.bottom > above.bottom)
    usual = gaps[len(gaps) // 4] if gaps else 0.0  # a low quarter: on a page of short clauses most gaps are between paragraphs
    return {
        index
        for index, above, below in pairs
        if below.top - above.bottom > usual + _PARAGRAPH_GAP * (above.bottom - above.top) or below.bottom < above.top
    }


def _is_picture(page: Any) -> bool:
    left, bottom, right, top = page.get_bbox()
    area = abs((right - left) * (top - bottom))
    covered = 0.0
    for x0, y0, x1, y1 in map(_bounds, _pictures(page)):
        covered += max(0.0, min(x1, right) - max(x0, left)) * max(0.0, min(y1, top) - max(y0, bottom))
    return bool(covered >= _PICTURE_SHARE * area > 0)


def _pictures(page: Any) -> Iterator[Any]:
    """The page's images, and its forms that hold one. By PDFium's own calls: pages with 10,000 strokes are common."""
    for index in range(pdfium_c.FPDFPage_CountObjects(page)):
        item = pdfium_c.FPDFPage_GetObject(page, index)
        kind = pdfium_c.FPDFPageObj_GetType(item)
        if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE or (kind == pdfium_c.FPDF_PAGEOBJ_FORM and _holds_image(item)):
            yield item


def _holds_image(form: Any) -> bool:
    items = (pdfium_c.FPDFFormObj_GetObject(form, index) for index in range(pdfium_c.FPDFFormObj_CountObjects(form)))
    return any(pdfium_c.FPDFPageObj_GetType(item) == pdfium_c.FPDF_PAGEOBJ_IMAGE for item in items)


def _bounds(item: Any) -> tuple[float, float, float, float]:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium_c.FPDFPageObj_GetBounds(item, left, bottom, right, top)
    return left.value, bottom.value, right.value, top.value
