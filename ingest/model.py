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


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters of a page's text (offsets in that text) and where it stands on the page."""

    start: int
    end: int
    box: Box


@dataclass(frozen=True, slots=True)
class ParsedPage:
    """One page as a parser found it. `width` and `height` in points; both 0 and no words for files without pages.

    `has_image` says that the page is mainly a picture: with an empty text it is a scan that needs OCR.
    """

    number: int
    text: str
    width: float = 0.0
    height: float = 0.0
    words: tuple[Word, ...] = ()
    has_image: bool = False


@dataclass(frozen=True, slots=True)
class PageSummary:
    """A page's place in the document's text, for the rows of the application."""

    number: int
    start_char: int
    end_char: int
    width: float
    height: float
    has_text: bool


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """What reading a document left behind. `pages` is empty for code and text. `notes` are sentences for the owner."""

    kind: Kind
    chars: int
    lines: int
    tokens: int
    chunks: int
    pages: tuple[PageSummary, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a character span stands: pages with boxes for paged files, lines for code and text. All numbers are 1-based."""

    page: int | None
    boxes: tuple[tuple[int, Box], ...]
    first_line: int | None
    last_line: int | None
