"""Page headers and footers: lines at the edge of many pages that say the same, or the same but for the page's number. Knows no boxes.

The first page that has one keeps it, so nothing is lost; on the others it is neither read nor paid for, and a sentence that goes on over
the page is not interrupted. What is not sure stays: a line of numbers that do not count the pages, a number of more than four digits.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

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


@dataclass(slots=True)
class _Found:
    """How many pages have a line, and how often each of its numbers is how far from the page's index."""

    pages: int = 0
    away: Counter[tuple[int, int]] = field(default_factory=Counter)


def without_running_lines(texts: Iterable[str]) -> Iterator[tuple[int, int]]:
    """(start, end) of what is left of each page's text. A page that would be left without any is left whole.

    Goes over the texts three times, so they are no iterator, and holds none of them.
    """
    running = _running(texts)
    kept: set[str] = set()
    for index, text in enumerate(texts):
        yield _rest(text, index, running, kept)


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


def _running(texts: Iterable[str]) -> _Running:
    pages, often = _often(texts)
    found: dict[str, _Found] = {}
    for index, text in enumerate(texts if often else ()):
        for words, numbers in _said(text).items():
            if hash(words) in often:
                line = found.setdefault(words, _Found())
                line.pages += 1
                line.away.update((place, number - index) for place, number in enumerate(numbers))
    return {words: _counting(line) for words, line in found.items() if _runs(words, line, pages)}


def _said(text: str) -> dict[str, tuple[int, ...]]:
    """The numbers of each line at a page's edges, by its words."""
    return {line.words: line.numbers for from_end in (False, True) for line in _edge(text, from_end=from_end)}


def _often(texts: Iterable[str]) -> tuple[int, frozenset[int]]:
    """How many pages there are, and the hashes of lines that stand on enough of them: few, where each page has eight lines at its edges."""
    hashes, pages = array("q"), 0
    for text in texts:
        hashes.extend(map(hash, _said(text)))
        pages += 1
    lines, counts = np.unique(np.array(hashes, dtype=np.int64), return_counts=True)
    least = min(_least(pages, slot=slot) for slot in (True, False))
    return pages, frozenset(lines[counts >= least].tolist())


def _least(pages: int, *, slot: bool) -> float:
    """On how many of the pages a line has to stand, with a number in it or without."""
    return max(_COUNTED_LEAST, _COUNTED_SHARE * pages) if slot else max(_SAME_LEAST, _SAME_SHARE * pages)


def _runs(words: str, found: _Found, pages: int) -> bool:
    slot = _SLOT in words
    if found.pages < _least(pages, slot=slot):
        return False
    if slot:
        return max(found.away.values()) >= _COUNTING_LEAST * found.pages
    # "Name: Ann Lee" stands on each of a contract's signature pages.
    return bool(_LETTER.search(words)) and ":" not in words


def _counting(found: _Found) -> frozenset[tuple[int, int]]:
    """Those that count pages: an exhibit may begin anew, and a number that stands alone is something else."""
    return frozenset(away for away, times in found.away.items() if times >= _COUNTED_TOGETHER)


def _rest(text: str, index: int, running: _Running, kept: set[str]) -> tuple[int, int]:
    start, end = 0, len(text)
    first: set[str] = set()
    for line in _edge(text, from_end=False):
        if not _goes(line, index, running, kept, first):
            break
        start = line.end
    for line in _edge(text, from_end=True):
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
