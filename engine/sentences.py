"""Cuts a chunk's text into sentences: prose, clauses hard-wrapped by a PDF, list items, lines of code. Characters in, characters out.

A quote is one of these pieces, so each must be worth reading alone. Knows no tokens and no model. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

MOST_CHARACTERS = 600
FEWEST_WORDS = 4

PARAGRAPH = re.compile(r"\n[ \t]*\n|\f")
# After a full stop, a question mark or a semicolon, where something like a new sentence begins.
SENTENCE = re.compile(r"(?<=[.;!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?(?:[A-Z0-9§•]|\([a-z]+\)))")
# A new line that is not a wrapped one: it opens with a list mark or an indent, or the one before it ended early.
MARK = re.compile(r"[ \t]{2,}|\t|[-*•#|]|\(?[a-zA-Z0-9]{1,4}[.)]\s|\d+(\.\d+)+\s")
ABBREVIATION = re.compile(r"(?:\b(?:No|Nos|Sec|Art|Inc|Corp|Ltd|Co|Mr|Mrs|Ms|Dr|St|vs|cf|e\.g|i\.e|etc|Fig)|\b[A-Z])\.$")
RAGGED = 0.7


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence, in order, blanks around it left out; none is longer than MOST_CHARACTERS."""
    return [piece for start, end in _paragraphs(text) for piece in _merged(text, list(_pieces(text, start, end)))]


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for gap in PARAGRAPH.finditer(text):
        yield start, gap.start()
        start = gap.end()
    yield start, len(text)


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    cuts = sorted({*_line_cuts(text, start, end), *_sentence_cuts(text, start, end)})
    for first, last in zip([start, *cuts], [*cuts, end], strict=True):
        yield from _trimmed(text, first, last)


def _line_cuts(text: str, start: int, end: int) -> Iterator[int]:
    lines = text[start:end].split("\n")
    widest = max(len(line) for line in lines)
    place = start
    for line, following in pairwise(lines):
        place += len(line) + 1
        if MARK.match(following) or len(line.rstrip()) < RAGGED * widest:
            yield place


def _sentence_cuts(text: str, start: int, end: int) -> Iterator[int]:
    for gap in SENTENCE.finditer(text, start, end):
        if not ABBREVIATION.search(text, max(start, gap.start() - 8), gap.start()):
            yield gap.end()


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The piece without blanks around it, in parts if it is too long, not at all if it is empty."""
    piece = text[start:end]
    start, end = start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
    while end - start > MOST_CHARACTERS:
        blank = text.rfind(" ", start + MOST_CHARACTERS // 2, start + MOST_CHARACTERS)
        cut = blank if blank > 0 else start + MOST_CHARACTERS
        yield start, cut
        start = cut + 1 if blank > 0 else cut
    if start < end:
        yield start, end


def _merged(text: str, pieces: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """A heading or a number alone says little: it joins what follows it, where both together are not too long."""
    held: tuple[int, int] | None = None
    for start, end in pieces:
        piece = (start, end)
        if held and end - held[0] <= MOST_CHARACTERS:
            piece = (held[0], end)
        elif held:
            yield held
        held = piece if len(text[piece[0] : end].split()) < FEWEST_WORDS else None
        if held is None:
            yield piece
    if held:
        yield held
