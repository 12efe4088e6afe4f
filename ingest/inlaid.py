"""The words of pictures laid into the text that shows them: under the paragraph or table, between two lines that say whose they are, and
that stand by themselves, so that no quote has them.

Knows no package and no OCR: a part comes with its pictures, and with what was read of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.model import PageSummary, ParsedPage
from ingest.prompt.page_map import word_rows


@dataclass(frozen=True, slots=True)
class Inlaid:
    """A part's text as it is written, and its pictures with their words (WORD_ROW), both placed in the document's text."""

    text: str
    pictures: tuple[tuple[PageSummary, NDArray[np.void]], ...]


def with_pictures(pages: Iterable[ParsedPage]) -> Iterator[ParsedPage]:
    """Each part after its pictures, which can be read like pages."""
    for page in pages:
        yield from (embedded.picture for embedded in page.pictures)
        yield page


def inlaid(part: ParsedPage, read: Mapping[int, ParsedPage], start: int) -> Inlaid:
    """`read`: the pictures of the part as they were read, by number; `start`: the part's first character in the document's text."""
    written: list[str] = []
    pictures = []
    length = last = 0
    for embedded in part.pictures:
        picture = read[embedded.picture.number]
        below = _end_of_block(part.text, max(last, embedded.at))
        before = part.text[last:below]
        last, length = below, length + len(before)
        words = _between_lines(picture)
        pictures.append(_placed(picture, start + length, words))
        written += [before, words]
        length += len(words)
    return Inlaid("".join([*written, part.text[last:]]), tuple(pictures))


def _end_of_block(text: str, at: int) -> int:
    """Where the paragraph or table ends in which a character stands, before the line breaks."""
    end = text.find("\n\n", at)
    return len(text.rstrip("\n")) if end < 0 else end


def _between_lines(picture: ParsedPage) -> str:
    return f"\n\n{_head(picture)}{picture.text}\n\n[end of picture {picture.number}]" if picture.text.strip() else ""


def _head(picture: ParsedPage) -> str:
    return f"[words in picture {picture.number}]\n\n"


def _placed(picture: ParsedPage, at: int, words: str) -> tuple[PageSummary, NDArray[np.void]]:
    """Without words it is where its paragraph ends."""
    start, end = (at + 2, at + len(words)) if words else (at, at)
    rows = word_rows(picture.words, picture.number, start + len(_head(picture)))
    read = (picture.reading, picture.confidence, picture.language)
    return PageSummary(picture.number, start, end, picture.width, picture.height, bool(words), picture.shows_more, *read), rows
