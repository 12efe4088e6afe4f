"""PDF: each page's text in reading order and its words with their boxes, by PDFium. Reads no scan, but says which pages want it.

PDFium gives characters in the order of the page's content with `\\r\\n` between lines; where that goes to and fro between columns, lines
are put in order (ingest.parsers.columns). How they become a page's text is in ingest.parsers.lines.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

from ingest.errors import FileRefused, PasswordNeeded
from ingest.legible import is_garbled, letters
from ingest.limit_settings import beyond, exceeded
from ingest.model import Box, Kind, ParsedPage, Word
from ingest.parsers.base import ParserContext
from ingest.parsers.columns import column_by_column
from ingest.parsers.hyphens import Hyphens
from ingest.parsers.lines import CJK, Line, assemble
from ingest.parsers.shown import covered, picture_corners, shows_more

# PDFium marks a hyphen at a line end with one of two codes and leaves the line break out; here the first code ends word and line.
_HYPHENS = (0x02, 0xFFFE)
_HYPHEN = "\x02"
_WORD = re.compile(rf"[{CJK}]|[^\s\x02{CJK}]*\x02|[^\s\x02{CJK}]+")
_LINE = re.compile(r"[^\n\x02]*[\n\x02]|[^\n\x02]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PICTURE_SHARE = 0.5  # of the page's area: above it the page is mainly a picture
_FEW_LETTERS = 200  # a stamp, a number or an envelope's id over a scan has fewer, a page of text more
_LOOK_SIDE = 300  # pixels
_INK_CONTRAST = 48  # of 255, to what most of the page shows
_INK_LEAST = 0.0005  # of the pixels: one line of small print has three times as many
_HELD_PAGES, _HELD_BYTES = 250, 8_000_000  # read of a document until it is opened anew; bytes of the file
_OPENING_MOST = 20  # times as long as opening it took, it is read at least
_DEVICE_UNITS = 1_000_000  # fractions of a page to six digits

_BOX_BYTES = ctypes.sizeof(pdfium_c.FS_RECTF)
# The same function by a plain prototype: the library's own converts its arguments, a thousand times a page.
_LOOSE_BOX = ctypes.cast(pdfium_c.FPDFText_GetLooseCharBox, ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p))

_LOCKED = "This PDF needs a password. Type the password on its page, or save it as a PDF without one and upload that."
_DAMAGED = "This PDF is damaged and cannot be opened. Open it in a PDF reader, save or print it as a new PDF, then upload the new file."


@dataclass(frozen=True, slots=True)
class PdfParser:
    """Reads PDF files. PDFium is not thread-safe: one file at a time in a process."""

    kind: Kind = Kind.PAGED

    def count_pages(self, source: Path, context: ParserContext) -> int:
        with _opened(source, context) as document:
            return len(document)

    def parse(self, source: Path, context: ParserContext) -> Iterator[ParsedPage]:
        readable, hyphens = False, Hyphens()
        for document, index in _each(source, context):
            page = _page(document, index, hyphens)
            readable = readable or page.width > 0
            yield page
        if not readable:
            raise FileRefused(_DAMAGED)


def _each(source: Path, context: ParserContext) -> Iterator[tuple[Any, int]]:
    """The open document with the index of each of its pages. It is opened anew after some, for PDFium keeps what it has once loaded of a
    document until that is closed; but where opening takes long, as with a damaged one, only after many."""
    index, pages = 0, 1
    while index < pages:
        began = process_time()
        with _opened(source, context) as document:
            pdfium_c.FPDF_GetPageSizeByIndexF(document, index, pdfium_c.FS_SIZEF())  # to find a page, all before it are gone through
            read = process_time()
            pages, least = len(document), read + _OPENING_MOST * (read - began)
            last = index + max(1, min(_HELD_PAGES, _HELD_BYTES * pages // source.stat().st_size))
            while index < pages and (index < last or process_time() < least):
                yield document, index
                index += 1


@contextmanager
def _opened(source: Path, context: ParserContext) -> Iterator[Any]:
    try:
        document = pdfium.PdfDocument(source)
    except pdfium.PdfiumError as error:
        locked = error.err_code == pdfium_c.FPDF_ERR_PASSWORD
        raise PasswordNeeded(_LOCKED) if locked else FileRefused(_DAMAGED) from error
    try:
        if len(document) == 0:
            raise FileRefused(_DAMAGED)
        if len(document) > context.limits.pages:
            _require_page(document, context.limits.pages)
            said = f"This PDF has {beyond(len(document), context.limits.pages, 'pages')}."
            raise exceeded(said, "Split it into parts", "pages")
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
        text, words = assemble(_lines(page, width / (height or 1.0)), hyphens)
        pictures = covered(_on_page(page, picture_corners(page)))
        has_image = bool(pictures.mean() >= _PICTURE_SHARE)
        more = shows_more(pictures, [word.box for word in words])
        return ParsedPage(index + 1, text, width, height, words, has_image, more, _wants_ocr(page, text, has_image))
    finally:
        page.close()


def _lines(page: Any, aspect: float) -> Sequence[Line]:
    textpage = page.get_textpage()
    try:
        characters = _characters(textpage)
        spans = [(match.start(), match.end()) for match in _WORD.finditer(characters)]
        boxes = _boxes(page, textpage, spans)
        lines = list(_split_lines(characters, spans, [None if isnan(box[0]) else tuple(box) for box in boxes.tolist()]))
        return column_by_column(lines, boxes[~np.isnan(boxes[:, 0])], aspect)
    finally:
        textpage.close()


def _characters(textpage: Any) -> str:
    """One character for each of PDFium's, so that an offset here is PDFium's index. An emoji is two, as in UTF-16 (see `_paired`).

    Asked for all at once, PDFium leaves out characters that it cannot name; the count tells, and then they are asked for one by one.
    """
    count = textpage.count_chars()
    units = np.zeros(count + 1, dtype=np.uint16)
    pdfium_c.FPDFText_GetText(textpage, 0, count, units.ctypes.data_as(ctypes.POINTER(ctypes.c_ushort)))
    text = units[:count].astype("<u4").tobytes().decode("utf-32-le", "surrogatepass").rstrip("\x00").translate(_CLEANED)
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


def _boxes(page: Any, textpage: Any, spans: list[tuple[int, int]]) -> NDArray[np.float64]:
    """Each span's box [spans, (left, top, right, bottom)] as fractions of the visible page; NaN where PDFium has none."""
    # [words, its first and its last character, (left, top, right, bottom)]: PDFium writes each character's box where it belongs
    ends = np.full((len(spans), 2, 4), np.nan, dtype=np.float32)
    handle, place = ctypes.cast(textpage.raw, ctypes.c_void_p).value, ends.ctypes.data
    for start, end in spans:
        _LOOSE_BOX(handle, start, place)
        if end - start > 1:
            _LOOSE_BOX(handle, end - 1, place + _BOX_BYTES)
        place += 2 * _BOX_BYTES
    least, most = np.fmin(ends[:, 0], ends[:, 1]), np.fmax(ends[:, 0], ends[:, 1])
    corners = np.stack([least[:, 0], most[:, 1], most[:, 2], least[:, 3]], axis=1).astype(np.float64)
    return _on_page(page, corners)


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


def _split_lines(characters: str, spans: list[tuple[int, int]], boxes: list[Box | None]) -> Iterator[Line]:
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
        yield Line(_paired(match[0].rstrip("\r\n").replace(_HYPHEN, "-")), tuple(words), match[0].endswith(_HYPHEN))


def _paired_word(characters: str, line: int, first: int, last: int, box: Box) -> Word:
    """The word at first..last of a line that begins at `line`, with each pair of surrogates counted as one character."""
    return Word(len(_paired(characters[line:first])), len(_paired(characters[line:last])), box)


def _paired(text: str) -> str:
    """The text with each pair of surrogates as the character that it means."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")


def _wants_ocr(page: Any, text: str, has_image: bool) -> bool:
    """Whether the text does not say what the page shows: it is garbled, or there is none or little and something else is to be seen."""
    if is_garbled(text):
        return True
    if has_image and text:
        return letters(text) < _FEW_LETTERS
    return not letters(text) and _shows_anything(page)


def _shows_anything(page: Any) -> bool:
    """By a small picture of it, since a page may hold any number of invisible things. A page of one colour shows nothing."""
    width, height = page.get_size()
    drawn = np.asarray(page.render(scale=_LOOK_SIDE / max(width, height), grayscale=True).to_numpy(), dtype=np.int16)
    return bool(np.mean(np.abs(drawn - np.median(drawn)) > _INK_CONTRAST) > _INK_LEAST)
