"""Tables of figures in the text of PDFs, which have neither bars nor rules: a line of years or dates, below it lines that end in figures.

Only what is sure: a table without years above its columns is not found. Looks at lines alone and knows no boxes.
"""

from __future__ import annotations

import re

_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_DAY = re.compile(r"\b(?:[12]?\d|3[01])\b")
_FIGURE = re.compile(r"[$€£(-]*(?:\d[\d,.]*|[—–-])[)%]*")
_SIGNS = re.compile(r"[$€£%()]+")
_HEAD_CHARS, _HEAD_WORDS = 150, 12  # more with two years in it is a sentence
_ROW_END_CHARS = 60  # two figures stand in them
_LEAST_ROWS = 2
_MOST_OTHERS = 3  # lines between rows: labels that take two lines, headings


def figure_tables(text: str) -> list[tuple[int, int, str]]:
    """(offset of its second row, end, first row) of each table, in order. None goes on over a page's end (a form feed)."""
    found: list[tuple[int, int, str]] = []
    head, start, end, rows, others, position = "", 0, 0, 0, 0, 0
    for line in text.split("\n"):
        after = position + len(line) + 1
        said = line.strip(" \t")
        opens = _is_head(said)
        if head and (opens or "\f" in line or others > _MOST_OTHERS):
            found += [(start, end, head)] if rows >= _LEAST_ROWS else []
            head = ""
        if opens:
            head, start, end, rows, others = " ".join(said.split()), after, after, 0, 0
        elif head and _is_row(said):
            end, rows, others = min(after, len(text)), rows + 1, 0
        elif said:
            others += 1
        position = after
    return [*found, (start, end, head)] if head and rows >= _LEAST_ROWS else found


def _is_head(line: str) -> bool:
    """Two years at least, no other numbers but days, and few words."""
    if len(line) > _HEAD_CHARS or line.endswith((".", ",", ";")) or ". " in line or len(_YEAR.findall(line)) < 2:
        return False
    rest = _DAY.sub("", _YEAR.sub("", line))
    return not re.search(r"\d", rest) and len(rest.split()) <= _HEAD_WORDS


def _is_row(line: str) -> bool:
    """Its last two words are figures, signs apart."""
    words = [word for word in line[-_ROW_END_CHARS:].split() if not _SIGNS.fullmatch(word)]
    return len(words) >= 2 and all(_FIGURE.fullmatch(word) for word in words[-2:])
