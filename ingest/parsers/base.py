"""What every parser offers. Knows no format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ingest.limits import Limits
from ingest.model import Kind, ParsedPage


@dataclass(frozen=True, slots=True)
class ParserContext:
    """What a parser may know beside the file itself."""

    limits: Limits = field(default_factory=Limits)
    pictures: Path | None = None  # a folder, made when it is needed, for the pictures in a file of text; None: they are left out


class Parser(Protocol):
    """One format. Both methods raise FileRefused or LimitExceeded, with a sentence for the person who uploaded the file."""

    @property
    def kind(self) -> Kind: ...

    def count_pages(self, source: Path, context: ParserContext) -> int:
        """How many pages `parse` will yield; 1 for a file without pages, 0 where that is only seen at the end."""
        ...

    def parse(self, source: Path, context: ParserContext) -> Iterator[ParsedPage]:
        """The pages in order, numbered from 1. A page that cannot be read is yielded without text, so that numbers stay true."""
        ...
