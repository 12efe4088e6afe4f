"""Picture files (PNG, JPEG, WebP, and TIFF with its pages): how many pages there are and how large. Decodes none of them.

The text of such a page is read from its picture afterwards (ingest.scans).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import FileRefused
from ingest.limit_settings import beyond, exceeded
from ingest.model import Kind, ParsedPage
from ingest.parsers.base import ParserContext
from ingest.pictures import DAMAGED, Pictures, open_pictures


@dataclass(frozen=True, slots=True)
class PictureParser:
    """Reads picture files."""

    kind: Kind = Kind.PAGED

    def count_pages(self, source: Path, context: ParserContext) -> int:
        with open_pictures(source, context.limits.picture_pixels) as pictures:
            if len(pictures) > context.limits.pages:
                raise exceeded(f"This TIFF has {beyond(len(pictures), context.limits.pages, 'pages')}.", "Split it into parts", "pages")
            return len(pictures)

    def parse(self, source: Path, context: ParserContext) -> Iterator[ParsedPage]:
        with open_pictures(source, context.limits.picture_pixels) as pictures:
            readable = False
            for number in range(1, len(pictures) + 1):
                page = _page(pictures, number)
                readable = readable or page.width > 0
                yield page
            if not readable:
                raise FileRefused(DAMAGED)


def _page(pictures: Pictures, number: int) -> ParsedPage:
    try:
        width, height = pictures.size(number)
    except FileRefused:
        return ParsedPage(number, "")
    return ParsedPage(number, "", width, height, has_image=True, shows_more=True, wants_ocr=True)
