"""The way back from characters to a place: page and boxes, or lines. And the files that it is read from.

Round trips exactly: every character of a page's text lies in that page's span, and every word's box stands under its characters.
Knows no tokens (ingest.prompt.offsets does) and no format.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from ingest.model import Box, Kind, PageSummary, Place, Reading, Word
from ingest.prompt.word_file import WORD_ROW, write_words
from ingest.storage import ParsedFiles

_UNSURE = (Reading.UNREAD, Reading.FILE, Reading.OCR, Reading.UNCERTAIN, Reading.POOR)
_SAME_LINE = 0.5  # of the lower box's height: words that overlap by more stand on one line


@dataclass(frozen=True, slots=True)
class PageMap:
    """The places of one document. `words` (WORD_ROW [words]) may be a memory map; `line_starts` is empty for paged files. `pages` are the
    pictures of a file without pages, and `words` what was read of them."""

    kind: Kind
    pages: tuple[PageSummary, ...]
    words: NDArray[np.void]
    line_starts: NDArray[np.int64]

    @classmethod
    def open(cls, parsed: ParsedFiles) -> PageMap:
        """Reads a page map from disk. Raises FileNotFoundError if the document was not parsed."""
        stored = _stored(parsed)
        kind, pages = Kind(stored["kind"]), _pages(stored)
        words = np.load(parsed.words, mmap_mode="r") if pages else np.zeros(0, dtype=WORD_ROW)
        if kind is Kind.PAGED:
            return cls(kind, pages, words, np.zeros(0, dtype=np.int64))
        with parsed.text.open(encoding="utf-8", newline="") as file:
            return cls(kind, pages, words, line_starts(file.read()))

    def place(self, start: int, end: int) -> Place:
        """Where the characters start..end stand. A paged place names the page of its first character; boxes may be on later ones, or on
        the pictures that a file without pages shows."""
        boxes, reading = tuple(self._boxes(start, end)), self._reading(start, end)
        if self.kind is Kind.PAGED:
            return Place(self.page_of(start), boxes, None, None, reading)
        first, last = self._line_of(start), self._line_of(max(start, end - 1))
        return Place(None, boxes, first, last, reading)

    def page_of(self, character: int) -> int:
        """The 1-based page that holds a character; the separator after a page belongs to it."""
        return max(1, bisect_right(self.pages, character, key=lambda page: page.start_char))

    def pages_of(self, start: int, end: int) -> range:
        """The pages that the characters start..end touch."""
        return range(self.page_of(start), self.page_of(max(start, end - 1)) + 1)

    def words_of(self, number: int) -> NDArray[np.void]:
        """The words of a page, in the order of its text (WORD_ROW)."""
        first, last = np.searchsorted(self.words["page"], [number, number + 1])
        return self.words[first:last]

    def page_span(self, number: int) -> tuple[int, int]:
        """The characters of a page. Raises IndexError for a page that the document does not have."""
        if not 1 <= number <= len(self.pages):
            raise IndexError(f"page {number} of {len(self.pages)}")
        page = self.pages[number - 1]
        return page.start_char, page.end_char

    def _reading(self, start: int, end: int) -> Reading:
        """The least sure of the pages or pictures whose text the characters touch. A page that was not read says what its file says."""
        first = bisect_right(self.pages, start, key=lambda page: page.end_char)
        last = bisect_left(self.pages, max(end, start + 1), key=lambda page: page.start_char)
        return max((page.reading for page in self.pages[first:last]), key=_UNSURE.index, default=Reading.FILE)

    def _line_of(self, character: int) -> int:
        return int(np.searchsorted(self.line_starts, character, side="right"))

    def _boxes(self, start: int, end: int) -> Iterator[tuple[int, Box]]:
        first = bisect_right(self.words["end"], start)
        last = bisect_left(self.words["start"], end)
        line: tuple[int, Box] | None = None
        for row in self.words[first:last]:
            page, box = int(row["page"]), (float(row["left"]), float(row["top"]), float(row["right"]), float(row["bottom"]))
            if line is not None and line[0] == page and _on_one_line(line[1], box):
                line = page, _union(line[1], box)
                continue
            if line is not None:
                yield line
            line = page, box
        if line is not None:
            yield line


def read_pages(parsed: ParsedFiles) -> tuple[PageSummary, ...]:
    """The pages of a written page map; for a file without pages, the pictures in it."""
    return _pages(_stored(parsed))


def _pages(stored: dict[str, Any]) -> tuple[PageSummary, ...]:
    return tuple(PageSummary(**page | {"reading": Reading(page.get("reading", Reading.FILE))}) for page in stored["pages"])


def _stored(parsed: ParsedFiles) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(parsed.pages.read_text(encoding="utf-8"))
    return stored


def write_page_map(parsed: ParsedFiles, kind: Kind, pages: Iterable[tuple[PageSummary, NDArray[np.void]]]) -> None:
    """Writes pages.json and words.npy from each page with its words (WORD_ROW), in order; holds one page at a time."""
    with parsed.pages.open("w", encoding="utf-8") as file:
        file.write(f'{{"kind": {json.dumps(kind.value)}, "pages": [')
        write_words(parsed.words, _listed(file, pages))
        file.write("]}")


def _listed(file: TextIO, pages: Iterable[tuple[PageSummary, NDArray[np.void]]]) -> Iterator[NDArray[np.void]]:
    """The words of each page, once the page itself is written."""
    for index, (page, words) in enumerate(pages):
        file.write((", " if index else "") + json.dumps(asdict(page)))
        yield words


def word_rows(words: Iterable[Word], page: int, offset: int) -> NDArray[np.void]:
    """A page's words as rows, moved to where the page's text stands in the document's."""
    return np.array([(offset + word.start, offset + word.end, page, *word.box) for word in words], dtype=WORD_ROW)


def line_starts(text: str) -> NDArray[np.int64]:
    """Where each line begins, in characters."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    starts = np.flatnonzero(codes == ord("\n")) + 1
    return np.concatenate([np.zeros(1, dtype=np.int64), starts])


def _on_one_line(line: Box, word: Box) -> bool:
    overlap = min(line[3], word[3]) - max(line[1], word[1])
    lower = min(line[3] - line[1], word[3] - word[1])
    return overlap > _SAME_LINE * lower and word[2] > line[0]


def _union(one: Box, two: Box) -> Box:
    return min(one[0], two[0]), min(one[1], two[1]), max(one[2], two[2]), max(one[3], two[3])
