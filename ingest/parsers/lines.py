"""Lines with their boxes to a page's text: where a paragraph ends, and words that a line end cut in two. Knows no format.

A blank line is added where the vertical gap says that a paragraph ends, and a word that a line end cut in two is put together (its halves
keep their boxes). Nothing else is joined, so the text stays as it stands on the page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.model import Word
from ingest.parsers.hyphens import Hyphens

# A word ends at white space; a Chinese or Japanese character is a word of its own, or a quote would light whole lines.
CJK = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{CJK}]|[^\s{CJK}]+")
_PARAGRAPH_GAP = 0.4  # of the line's height, above the page's usual gap


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page: its text, and its words (offsets in the line) with boxes. `is_cut`: a hyphen ends it inside a word."""

    text: str
    words: tuple[Word, ...]
    is_cut: bool

    @property
    def top(self) -> float:
        return min(word.box[1] for word in self.words)

    @property
    def bottom(self) -> float:
        return max(word.box[3] for word in self.words)


def word_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of each word of a line."""
    return [match.span() for match in _WORD.finditer(text)]


def assemble(lines: Sequence[Line], hyphens: Hyphens) -> tuple[str, tuple[Word, ...]]:
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


def _paragraph_breaks(lines: Sequence[Line]) -> set[int]:
    """Lines that open a paragraph: further below the line before than is usual on this page, or back above it (a new column)."""
    sides = [(line.top, line.bottom) if line.words else None for line in lines]
    pairs = [(index, *above, *below) for index, (above, below) in enumerate(pairwise(sides), 1) if above and below]
    if not pairs:
        return set()
    gaps = sorted(next_top - bottom for _, _, bottom, next_top, next_bottom in pairs if next_bottom > bottom)
    usual = gaps[len(gaps) // 4] if gaps else 0.0  # a low quarter: on a page of short clauses most gaps are between paragraphs
    return {
        index
        for index, top, bottom, next_top, next_bottom in pairs
        if next_top - bottom > usual + _PARAGRAPH_GAP * (bottom - top) or next_bottom < top
    }
