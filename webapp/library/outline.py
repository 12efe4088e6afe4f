"""The headings of a document: chapters of a book, clauses of a contract, definitions of a file of code. Knows no request and no HTML.

Told by how a line looks, since neither PDF pages nor plain text say what is a heading. What is missed can still be found by searching.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ingest.model import Kind

MOST_HEADINGS = 400
DEEPEST = 3
TITLE_CHARACTERS = 100

_LINE = re.compile(r"(?:\A|(?<=\n)|(?<=\f))[ \t]*(?P<line>\S[^\n\f]{0,110}?)[ \t]*(?=\n|\f|\Z)")
_MARKDOWN = re.compile(r"(?P<marks>#{1,6})[ \t]+(?P<title>\S.*?)[ \t]*#*")
_NAMED = re.compile(
    r"(?P<part>part|book|volume|chapter|section|article|clause|annex|appendix|schedule)[ \t]+(?:[0-9]+|[ivxlc]+|[a-z])\b.*",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?P<number>\d{1,3}(?:\.\d{1,3}){0,3})\.?[ \t]+(?P<title>[A-Z\u00c0-\u00de].*)")
_CAPITALS = re.compile(r"[^a-z]*[A-Z]{3}[^a-z]*")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_DEFINITION = re.compile(
    r"^(?P<indent>[ \t]*)(?:(?:export|default|public|private|protected|static|abstract|final|pub|async)\s+)*"
    r"(?P<what>def|class|function|interface|struct|enum|trait|fn|func|module|namespace)\s+(?P<name>[A-Za-z_$][\w$]*)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Heading:
    """`level` 1 is the outermost; `start` is a character of the document's text."""

    level: int
    title: str
    start: int


@lru_cache(maxsize=64)
def headings_of(kind: str, file: Path, changed_ns: int) -> tuple[Heading, ...]:  # noqa: ARG001 -- a file parsed again has other headings
    """The headings of the text in a file, kept for those who open it next. `changed_ns`: when it was last written."""
    return tuple(headings(kind, file.read_bytes().decode("utf-8")))


def headings(kind: str, text: str) -> list[Heading]:
    """The first MOST_HEADINGS, in order."""
    found = _definitions(text) if kind == Kind.CODE else _titles(text)
    return [heading for heading, _ in zip(found, range(MOST_HEADINGS), strict=False)]


def _definitions(text: str) -> Iterator[Heading]:
    for match in _DEFINITION.finditer(text):
        level = 1 + len(match["indent"].expandtabs(4)) // 4
        if level <= 2:
            yield Heading(level, f"{match['what']} {match['name']}"[:TITLE_CHARACTERS], match.start("what"))


def _titles(text: str) -> Iterator[Heading]:
    shown = _FENCE.sub(lambda fence: " " * len(fence[0]), text) if "```" in text or "~~~" in text else text
    for match in _LINE.finditer(shown):
        level, title = _title(match["line"], _stands_alone(shown, match))
        if title and level <= DEEPEST:
            yield Heading(level, title[:TITLE_CHARACTERS], match.start("line"))


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """Between blank lines, or at the edge of a page."""
    before, after = text[max(0, match.start() - 2) : match.start()], text[match.end() : match.end() + 2]
    return (before in ("", "\n\n") or before.endswith("\f")) and (len(after) < 2 or after[0] == "\f" or after in ("\n\n", "\n\f"))


def _title(line: str, alone: bool) -> tuple[int, str]:
    """Level and title; '' for what is no heading."""
    if match := _MARKDOWN.fullmatch(line):
        return len(match["marks"]), match["title"]
    if not alone:
        return 0, ""
    if match := _NAMED.fullmatch(line):
        return (1 if match["part"].lower() in ("part", "book", "volume") else 2), line.rstrip(".")
    if line.endswith((".", ";", ",")):
        return 0, ""
    if match := _NUMBERED.fullmatch(line):
        return 1 + match["number"].count("."), line
    if len(line) <= 80 and _CAPITALS.fullmatch(line):
        return 1, line
    return 0, ""
