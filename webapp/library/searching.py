"""Words looked for in one document: every place where they stand, whatever their case, the line breaks between them, and the kinds of
quotation marks and dashes (engine.alike).

Knows no request, no HTML, and nothing of questions: this is what Ctrl-F does, over all pages.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from engine.alike import alike_pattern

MOST_HITS = 500
MOST_CHARACTERS = 200
AROUND_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Hit:
    """A place: characters start..end of the document's text, with a few before and after on one line."""

    start: int
    end: int
    before: str
    words: str
    after: str


def find(text: str, words: str) -> list[Hit]:
    """The first MOST_HITS places, in order; none for words of nothing."""
    words = words[:MOST_CHARACTERS].strip()
    if not words:
        return []
    pattern = alike_pattern(words, re.IGNORECASE)
    return [_hit(text, match) for match, _ in zip(pattern.finditer(text), range(MOST_HITS), strict=False)]


def nearest(hits: Sequence[Hit], start: int) -> int:
    """The number of the first hit that does not begin before `start`, or of the first of all; -1 where there is none."""
    at = bisect_left(hits, start, key=lambda hit: hit.start)
    return (at if at < len(hits) else 0) if hits else -1


def _hit(text: str, match: re.Match[str]) -> Hit:
    start, end = match.span()
    before, after = text[max(0, start - AROUND_CHARACTERS) : start], text[end : end + AROUND_CHARACTERS]
    return Hit(start, end, _line(before, "…", ""), " ".join(match[0].split()), _line(after, "", "…"))


def _line(text: str, opening: str, closing: str) -> str:
    """On one line, its outer blanks kept as one each."""
    return opening + re.sub(r"\s+", " ", text) + closing
