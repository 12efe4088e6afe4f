"""What in a text only says how it is built: the marks before headings, the bars and rules of tables, the lines around a picture's words.
They stay where they are, since a quote is marked by its characters, and stand back. Knows no document."""

from __future__ import annotations

import re
from collections.abc import Iterator

MARK, HEADING = "built", "heading"  # CSS classes
_LINE = re.compile(
    r"^(?P<mark>#{1,6} +)(?P<title>.+)$"
    r"|^(?P<rule>\|(?: ?:?-{3,}:? ?\|)+|\[(?:words in|end of) picture [0-9]+\])[ \t]*$"
    r"|^(?P<row>\|.*\|)[ \t]*$",
    re.MULTILINE,
)


def built_pieces(text: str) -> list[tuple[str, str]]:
    """The text, which begins a line, in pieces of (text, CSS class)."""
    pieces: list[tuple[str, str]] = []
    position = 0
    for match in _LINE.finditer(text):
        pieces.append((text[position : match.start()], ""))
        pieces += _line(match)
        position = match.end()
    return [(piece, css) for piece, css in [*pieces, (text[position:], "")] if piece]


def _line(match: re.Match[str]) -> Iterator[tuple[str, str]]:
    line = match[0]
    if match["mark"]:
        yield match["mark"], MARK
        yield match["title"], HEADING
    elif match["rule"]:
        yield line, MARK
    else:
        for part in re.split(r"(\|)", line):
            yield part, MARK if part == "|" else ""
