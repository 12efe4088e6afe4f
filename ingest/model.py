"""What a parser hands over and what reading a document leaves behind. Plain data; knows no format and no database."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Box = tuple[float, float, float, float]
"""left, top, right, bottom as fractions of the page, origin at the top left."""


class Kind(StrEnum):
    """How a place in a document is named: by page, by line of code, or by line of prose."""

    PAGED = "paged"
    CODE = "code"
    TEXT = "text"


class Reading(StrEnum):
    """Where a page's text comes from, and how sure it is."""

    FILE = "file"  # it stands in the file
    OCR = "ocr"  # read from the page's picture
    UNCERTAIN = "uncertain"  # by OCR, and some words are not sure
    POOR = "poor"  # by OCR, and many words are not sure
    UNREAD = "unread"  # the page shows more than its text says, and nothing could be read of it


BY_OCR = frozenset({Reading.OCR, Reading.UNCERTAIN, Reading.POOR})
"""What a quote of such a page stands in is what OCR read, and may differ from what is printed."""


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters of a page's text (offsets in that text) and where it stands on the page."""

    start: int
    end: int
    box: Box


@dataclass(frozen=True, slots=True)
class ParsedPage:
    """One page as a parser found it. `width` and `height` in points; both 0 and no words for files without pages.

    `has_image` says that the page is mainly a picture, `wants_ocr` that its text does not say what it shows. `shows_more` says that whoever
    reads the text alone loses something: a prompt for a model that sees has the page's image too. `confidence` is the mean of what OCR says
    of its characters, 0 to 1, and None where it read none; `language` a code such as "en", or '' where it is not sure.
    """

    number: int
    text: str
    width: float = 0.0
    height: float = 0.0
    words: tuple[Word, ...] = ()
    has_image: bool = False
    shows_more: bool = False
    wants_ocr: bool = False
    reading: Reading = Reading.FILE
    confidence: float | None = None
    language: str = ""
    pictures: tuple[Embedded, ...] = ()


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture that a part of a document without pages shows, as if it were a page, after the character `at` of the part's text. Pictures
    are numbered through the document."""

    at: int
    picture: ParsedPage


@dataclass(frozen=True, slots=True)
class PageSummary:
    """A page's place in the document's text, and how that was read (see ParsedPage), for the rows of the application. In a document
    without pages: a picture's, and that of the words that were read of it."""

    number: int
    start_char: int
    end_char: int
    width: float
    height: float
    has_text: bool
    shows_more: bool = False
    reading: Reading = Reading.FILE
    confidence: float | None = None
    language: str = ""


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """What reading a document left behind. `pages` are the pictures in one without pages. `notes` are sentences for the owner."""

    kind: Kind
    chars: int
    lines: int
    tokens: int
    chunks: int
    pages: tuple[PageSummary, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a character span stands: its page, or its lines. Boxes are on pages, or on the pictures in text. All numbers are 1-based.
    `reading`: the least sure of what its characters come from."""

    page: int | None
    boxes: tuple[tuple[int, Box], ...]
    first_line: int | None
    last_line: int | None
    reading: Reading = Reading.FILE
