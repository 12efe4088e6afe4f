"""Quotes: passages of the source, found byte for byte or not at all. Knows text only. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9])|\n\s*\n|\n")


def occurrences(text: str, quote: str) -> Iterator[int]:
    """Every place where the quote starts in the text, overlapping ones too. An empty quote stands nowhere."""
    place = text.find(quote) if quote else -1
    while place >= 0:
        yield place
        place = text.find(quote, place + 1)


def locate_quote(text: str, quote: str, start_hint: int = 0) -> tuple[int, int] | None:
    """Characters of the occurrence nearest to the hint, or None if the quote does not stand in the text exactly."""
    if quote and text.startswith(quote, start_hint):
        return start_hint, start_hint + len(quote)
    nearest = min(occurrences(text, quote), key=lambda place: abs(place - start_hint), default=None)
    return None if nearest is None else (nearest, nearest + len(quote))


def holds(quote: str, words: str) -> bool:
    """Whether the words stand in the quote, whatever blanks are between them."""
    return " ".join(words.split()) in " ".join(quote.split())


def beside(answer: str, quotes: Sequence[str]) -> list[bool]:
    """Of each quote, whether it is another sentence that may answer: the answer is in a document's own words, and not in this quote's.
    An answer in nobody's words rests on all of its quotes."""
    holding = [holds(quote, answer) for quote in quotes]
    return [any(holding) and not held for held in holding]


def sentence_around(text: str, start: int, end: int, limit: int) -> tuple[int, int]:
    """Characters of the sentences or the line that hold text[start:end], blanks trimmed.

    At most `limit` characters: a longer sentence is cut at blanks near the span, and a span that is longer itself is given alone.
    """
    if end - start >= limit:
        return start, end
    around = max(0, start - limit)
    breaks = [match.end() + around for match in SENTENCE_END.finditer(text[around : end + limit])]
    first = max((place for place in breaks if place <= start), default=around)
    last = min((place for place in breaks if place >= end), default=min(len(text), end + limit))
    if last - first > limit:
        first, last = cut_to(text, first, start, end, last, limit)
    taken = text[first:last]
    return min(start, first + len(taken) - len(taken.lstrip())), max(end, last - len(taken) + len(taken.rstrip()))


def cut_to(text: str, first: int, start: int, end: int, last: int, limit: int) -> tuple[int, int]:
    """`first` and `last` moved towards the span until `limit` holds, then on to the next blank."""
    left = max(first, start - (limit - (end - start)) // 2)
    right = min(last, left + limit)
    if left > first:
        blank = re.search(r"\s", text[left:start])
        left = left + blank.end() if blank else start
    if right < last:
        right = end + max((match.start() for match in re.finditer(r"\s", text[end:right])), default=0)
    return left, right
