"""What is taken home, before it has a form: a paper of blocks, a sheet of rows, and the places that are cited. Knows no form and no row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext


class ExportRefused(Exception):
    """Something that cannot be taken home in this form; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Heading:
    """`level` 1 is the paper's own title."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """An answer's words."""

    text: str


@dataclass(frozen=True, slots=True)
class Plain:
    """A sentence of ours."""

    text: str


@dataclass(frozen=True, slots=True)
class Quoted:
    """A quote, verbatim, with where it stands."""

    number: int
    source: str
    place: str
    quote: str
    verified: bool
    reading: str = ""  # how OCR read it, for people

    @property
    def checked(self) -> str:
        if self.verified:
            checked = gettext("verified: it stands so in the document")
        else:
            checked = gettext("unverified: it was not found in the document")
        return f"{checked} · {self.reading}" if self.reading else checked


@dataclass(frozen=True, slots=True)
class Figure:
    """An image of a page."""

    image: Path
    caption: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; `widths` are the columns' shares of the page."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    pairs: Sequence[tuple[str, str]]


Block = Heading | Said | Plain | Quoted | Figure | Grid | Facts


@dataclass(frozen=True, slots=True)
class Sheet:
    """`rows` hold texts and numbers, and may be made one at a time."""

    head: Sequence[str]
    rows: Iterable[Sequence[str | int | float | None]]


@dataclass(frozen=True, slots=True)
class Cited:
    """A place that a citation names. `sha256` is the document's content, '' where that is not known."""

    document: str
    path: str
    place: str
    quote: str
    sha256: str = ""


def place_said(page: int | None, first_line: int | None, last_line: int | None) -> str:
    """page 12; line 40; lines 40-58; '' where there is none."""
    if page is not None:
        return gettext("page {number}").format(number=page)
    if first_line is None:
        return ""
    if last_line in (None, first_line):
        return gettext("line {number}").format(number=first_line)
    return gettext("lines {first}-{last}").format(first=first_line, last=last_line)
