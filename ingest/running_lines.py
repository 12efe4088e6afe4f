"""Page headers and footers: lines at the edge of many pages that say the same, or the same but for the page's number. Knows no boxes.

The first page that has one keeps it, so nothing is lost; on the others it is neither read nor paid for, and a sentence that goes on over
the page is not interrupted. What is not sure stays: a line of numbers that do not count the pages, a number of more than four digits.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_EDGE_LINES = 4  # from the top, and from the bottom
_COUNTED_LEAST, _COUNTED_SHARE = 4, 0.3  # pages with a line that counts them: left and right pages may differ, and chapters
_COUNTED_TOGETHER = 3  # pages that are counted without a break
_SAME_LEAST, _SAME_SHARE = 8, 0.3  # pages with a line that is always the same
_COUNTING_LEAST = 0.7  # of the pages with a line whose number counts them: some may be in Roman numerals
_SLOT = "\0"  # stands in a line's words where a number stood; no page's text has one
_NUMBER = re.compile(r"(?<![\w.,])\d{1,4}(?![\w.,]*\w)")
_LETTER = re.compile(r"[^\W\d_]")

_Running = dict[str, frozenset[tuple[int, int]]]
"""The words of each line that runs through the document, with its numbers that count: (which, its distance to the page's index)."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line at a page's edge: where it stands in the page's text, its words without their numbers, and these."""

    start: int
    end: int
    words: str
    numbers: tuple[int, ...]


def without_running_lines(texts: Sequence[str]) -> list[tuple[int, int]]:
    """(start, end) of what is left of each page's text. A page that would be left without any is left whole."""
    edges = [(list(_edge(text, from_end=False)), list(_edge(text, from_end=True))) for text in texts]
    running = _running([{line.words: line.numbers for side in sides for line in side} for sides in edges])
    kept: set[str] = set()
    return [_rest(text, index, *sides, running, kept) for index, (text, sides) in enumerate(zip(texts, edges, strict=True))]


def _edge(text: str, *, from_end: bool) -> Iterator[_Line]:
    """The outermost lines that say anything, the outermost first."""
    found, start, end = 0, 0, len(text)
    while found < _EDGE_LINES and start < end:
        if from_end:
            first, last = text.rfind("\n", start, end - 1) + 1, end
            first = max(first, start)
            end = first
        else:
            newline = text.find("\n", start, end)
            first, last = start, end if newline < 0 else newline + 1
            start = last
        said = text[first:last]
        if said.strip():
            found += 1
            numbers = tuple(int(number) for number in _NUMBER.findall(said))
            yield _Line(first, last, " ".join(_NUMBER.sub(_SLOT, said.replace(_SLOT, "")).split()), numbers)


def _running(pages: Sequence[dict[str, tuple[int, ...]]]) -> _Running:
    places: dict[str, list[tuple[int, tuple[int, ...]]]] = defaultdict(list)
    for index, lines in enumerate(pages):
        for words, numbers in lines.items():
            places[words].append((index, numbers))
    return {words: _counting(found) for words, found in places.items() if _runs(words, found, len(pages))}


def _runs(words: str, found: Sequence[tuple[int, tuple[int, ...]]], pages: int) -> bool:
    if _SLOT in words:
        most = max(_away(found).values())
        return len(found) >= max(_COUNTED_LEAST, _COUNTED_SHARE * pages) and most >= _COUNTING_LEAST * len(found)
    # "Name: Ann Lee" stands on each of a contract's signature pages.
    return len(found) >= max(_SAME_LEAST, _SAME_SHARE * pages) and bool(_LETTER.search(words)) and ":" not in words


def _away(found: Sequence[tuple[int, tuple[int, ...]]]) -> Counter[tuple[int, int]]:
    """How often each of a line's numbers is how far from the page's index."""
    return Counter((place, number - index) for index, numbers in found for place, number in enumerate(numbers))


def _counting(found: Sequence[tuple[int, tuple[int, ...]]]) -> frozenset[tuple[int, int]]:
    """Those that count pages: an exhibit may begin anew, and a number that stands alone is something else."""
    return frozenset(away for away, times in _away(found).items() if times >= _COUNTED_TOGETHER)


def _rest(text: str, index: int, top: Sequence[_Line], bottom: Sequence[_Line], running: _Running, kept: set[str]) -> tuple[int, int]:
    start, end = 0, len(text)
    first: set[str] = set()
    for line in top:
        if not _goes(line, index, running, kept, first):
            break
        start = line.end
    for line in bottom:
        if line.start < start or not _goes(line, index, running, kept, first):
            break
        end = line.start
    kept |= first
    return (start, end) if text[start:end].strip() else (0, len(text))


def _goes(line: _Line, index: int, running: _Running, kept: set[str], first: set[str]) -> bool:
    counting = running.get(line.words)
    if counting is None or (line.numbers and counting.isdisjoint((place, number - index) for place, number in enumerate(line.numbers))):
        return False
    if line.words not in kept:
        first.add(line.words)
        return False
    return True
