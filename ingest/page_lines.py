"""What OCR says of one page, and how it passes between processes: as JSON. Plain data; imports no OCR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ingest.model import Box, Word


@dataclass(frozen=True, slots=True)
class ReadLine:
    """One line as a person reads it; its words have boxes as fractions of the page as it was read."""

    text: str
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class PageLines:
    """`turn`: by how many degrees the page was turned clockwise to be read. `confidence`: the mean of all characters, 0 to 1."""

    lines: tuple[ReadLine, ...]
    turn: int
    confidence: float


def plain(page: PageLines) -> dict[str, Any]:
    """As JSON knows it."""
    lines = [{"text": line.text, "words": [[word.start, word.end, *word.box] for word in line.words]} for line in page.lines]
    return {"lines": lines, "turn": page.turn, "confidence": page.confidence}


def page_lines(said: dict[str, Any]) -> PageLines:
    """The other way. Raises what a dictionary of another form raises: KeyError, TypeError, ValueError."""
    lines = [ReadLine(str(line["text"]), tuple(map(_word, line["words"]))) for line in said["lines"]]
    return PageLines(tuple(lines), int(said["turn"]), float(said["confidence"]))


def turned_back(box: Box, turn: int) -> Box:
    """Where a box of the page as it was read stands on the page as it is looked at."""
    left, top, right, bottom = box
    if turn == 90:
        return top, 1 - right, bottom, 1 - left
    if turn == 180:
        return 1 - right, 1 - bottom, 1 - left, 1 - top
    if turn == 270:
        return 1 - bottom, left, 1 - top, right
    return box


def _word(row: list[Any]) -> Word:
    start, end, left, top, right, bottom = row
    return Word(int(start), int(end), (float(left), float(top), float(right), float(bottom)))
