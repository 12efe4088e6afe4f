"""Formats without pages of their own: a document is text in parts (chapters, slides, sheets, or one). Knows none of these formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import FileRefused
from ingest.limits import Limits
from ingest.model import Kind, ParsedPage
from ingest.parsers.base import ParserContext
from ingest.parsers.embedded import TakenOut
from ingest.parsers.text import check_lines

Read = Callable[[Path, Limits], Iterator[str]]
"""(file, limits) -> its parts in order, each with the line breaks that end it, and marks where pictures are (ingest.parsers.described).
Raises FileRefused or LimitExceeded."""

_NOTHING = (
    "This file holds no text that can be read: what it shows may be pictures. Print it as PDF if it can be seen, then upload the PDF."
)


@dataclass(frozen=True, slots=True)
class PartsParser:
    """A format whose documents are cited by the lines of their text."""

    read: Read
    kind: Kind = Kind.TEXT

    def count_pages(self, source: Path, context: ParserContext) -> int:  # noqa: ARG002 -- the Protocol's
        return 0

    def parse(self, source: Path, context: ParserContext) -> Iterator[ParsedPage]:
        found = False
        with closing(TakenOut(source, context)) as taken_out:
            for number, part in enumerate(self.read(source, context.limits), 1):
                text, pictures = taken_out.placed(part)
                text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
                check_lines(text, context.limits)
                found = found or bool(text.strip())
                yield ParsedPage(number, text, pictures=pictures)
        if not found:
            raise FileRefused(_NOTHING)
