"""Takes a model's free answer apart while it streams: plain text, and quotes marked `<quote 3>exact words</quote>`.

The stream may be cut anywhere, a tag's middle included: what may still become a tag waits, everything else goes on at once. Models do not
always obey: a quote may lack its number, its end, or be opened inside another. A leading `<think>` block is the model's own business.
Knows no documents. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_QUOTE_CHARACTERS = 4000
MOST_TAG_CHARACTERS = 48

OPENING = r"<quote(?:[\s:=#\"'][^<>\n]{0,40})?>"
CLOSING = r"</\s?quote\s?>"
QUOTE_TAG = re.compile(f"{OPENING}|{CLOSING}", re.IGNORECASE)
TAG = re.compile(f"{QUOTE_TAG.pattern}|</?think>", re.IGNORECASE)
UNFINISHED = re.compile(r"<(?:/?\s?[a-z]{0,5}|quote[\s:=#\"'][^<>\n]*|/\s?quote\s)$", re.IGNORECASE)
HALF_A_CLOSING = re.compile(r"</?\s?(?:q[uote]{0,4})?\s?$", re.IGNORECASE)
HALF_A_TAG = re.compile(r"<(?:/?\s?q[uote]{0,4}|quote[\s:=#\"'][^<>\n]*|/\s?quote\s)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cited:
    """Words that the model gives as a quote, as it wrote them; `passage` is the number that it named, None for none."""

    passage: int | None
    words: str


Piece = str | Cited


class QuoteMarks:
    """Feed it the stream's pieces, then `end`; both give text and quotes in the order in which they were written."""

    def __init__(self) -> None:
        self._held = ""
        self._passage: int | None = None
        self._quoting = self._thinking = self._spoke = False

    def feed(self, text: str) -> Iterator[Piece]:
        self._held += text
        while tag := (QUOTE_TAG if self._quoting else TAG).search(self._held):
            before, self._held = self._held[: tag.start()], self._held[tag.end() :]
            yield from self._piece(before)
            yield from self._piece(self._enter(tag[0]))
        if not self._quoting:
            yield from self._piece(self._certain())
        elif len(self._held) > MOST_QUOTE_CHARACTERS:
            yield from self._unclosed()

    def end(self) -> Iterator[Piece]:
        """What still waited, but for half a tag. A quote without an end goes as far as its line does."""
        self._held = (HALF_A_CLOSING if self._quoting else HALF_A_TAG).sub("", self._held)
        if self._quoting:
            yield from self._unclosed()
        yield from self._piece(self._held)
        self._held = ""

    def _piece(self, written: str) -> Iterator[Piece]:
        if self._thinking or not written:
            return
        self._spoke = self._spoke or not written.isspace()
        yield Cited(self._passage, written) if self._quoting else written

    def _enter(self, written: str) -> str:
        """What the tag changes; given back as text where it is none here."""
        tag = written.lower()
        if self._thinking:
            self._thinking = tag != "</think>"
        elif "quote" in tag:
            self._quoting = tag.startswith("<quote")
            number = re.search(r"\d{1,9}", tag)
            self._passage = int(number[0]) if number else None
        elif tag == "<think>" and not self._spoke:
            self._thinking = True
        else:
            return written
        return ""

    def _unclosed(self) -> Iterator[Piece]:
        first = re.match(r"\s*[^\n]*", self._held)
        line = first[0] if first else ""
        rest, self._held = self._held[len(line) :], ""
        yield from self._piece(line)
        self._quoting = False
        yield from self._piece(rest)

    def _certain(self) -> str:
        """All that can no longer become a tag, taken."""
        unfinished = UNFINISHED.search(self._held, max(0, len(self._held) - MOST_TAG_CHARACTERS))
        sure = unfinished.start() if unfinished else len(self._held)
        said, self._held = self._held[:sure], self._held[sure:]
        return said
