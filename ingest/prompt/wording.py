"""The header that opens a chunk, so that a chunk read alone still says where it stands. Counts no tokens.

Names come from people: they are shortened and stripped of line breaks, so that a header stays one short line.
"""

from __future__ import annotations

import re

_NAME_CHARS = 80
_HEADING_CHARS = 100
_HEADING = re.compile(
    r"^(?:#{1,6} +(?P<markdown>\S.*)"
    r"|(?P<clause>(?:(?:Article|Section|Chapter|Clause|Part|Annex|Schedule|ARTICLE|SECTION|CHAPTER|CLAUSE|PART|ANNEX|SCHEDULE) +"
    r"[0-9IVXLC]+|\d{1,3}(?:\.\d{1,3}){0,3}\.?) *(?:[.:—–-] *)?[A-Z][^\n.;]{0,90}))[ \t]*$",
    re.MULTILINE,
)


def paged_header(name: str, first_page: int, last_page: int) -> str:
    """`[contract.pdf, page 3]`"""
    pages = f"page {first_page}" if first_page == last_page else f"pages {first_page}-{last_page}"
    return f"[{_short(name)}, {pages}]\n"


def code_header(path: str, first_line: int, last_line: int) -> str:
    """`[tolls/fees.py, lines 10-40]`"""
    return f"[{_short(path)}, lines {first_line}-{last_line}]\n"


def text_header(name: str, heading: str) -> str:
    """`[handbook.md]` and, below it, the heading that the chunk stands under, if there is one."""
    return f"[{_short(name)}]\n" + (f"{heading}\n" if heading else "")


def headings(text: str) -> list[tuple[int, str]]:
    """(offset, heading) of each Markdown or numbered heading that has a line of its own, in order."""
    return [(match.start(), _heading(match)) for match in _HEADING.finditer(text)]


def _heading(match: re.Match[str]) -> str:
    if match["clause"]:
        return match["clause"][:_HEADING_CHARS].strip()
    # Closing marks are cut here: a pattern that looked for them took time with the cube of a line's blanks.
    marked = match["markdown"].rstrip()
    return (marked.rstrip("#").rstrip() or marked)[:_HEADING_CHARS].strip()


def _short(name: str) -> str:
    """One line of at most 80 characters; a path loses its beginning, since the end tells more."""
    line = " ".join(name.split())
    return line if len(line) <= _NAME_CHARS else "..." + line[-_NAME_CHARS + 3 :]
