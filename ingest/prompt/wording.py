"""The header that opens a chunk, so that a chunk read alone still says where it stands. Counts no tokens.

Names come from people: they are shortened and stripped of line breaks, so that a header stays one short line.
"""

from __future__ import annotations

import re

_NAME_CHARS = 80
_HEADING_CHARS = 100
_TABLE_ROW_CHARS = 300
_RULE = re.compile(r"^\|(?: ?:?-{3,}:? ?\|)+[ \t]*\n", re.MULTILINE)
_ROWS = re.compile(r"(?:\|.*\n?)+")
_HEADING = re.compile(
    r"^(?:#{1,6} +(?P<markdown>\S.*)"
    r"|(?P<underlined>[^\s|].{0,99})\n(?P<line>[=~^-])(?P=line){2,}"
    r"|(?P<clause>(?:(?:Article|Section|Chapter|Clause|Part|Annex|Schedule|ARTICLE|SECTION|CHAPTER|CLAUSE|PART|ANNEX|SCHEDULE) +"
    r"[0-9IVXLC]+|\d{1,3}(?:\.\d{1,3}){0,3}\.?) *(?:[.:—–-] *)?[A-Z][^\n.;]{0,90}))[ \t]*$",
    re.MULTILINE,
)


def paged_header(name: str, first_page: int, last_page: int, row: str = "") -> str:
    """`[contract.pdf, page 3]`; below it the first row of the table that the chunk goes on with, if any."""
    pages = f"page {first_page}" if first_page == last_page else f"pages {first_page}-{last_page}"
    return f"[{_short(name)}, {pages}]\n" + (f"{row}\n" if row else "")


def code_header(path: str, first_line: int, last_line: int) -> str:
    """`[tolls/fees.py, lines 10-40]`"""
    return f"[{_short(path)}, lines {first_line}-{last_line}]\n"


def text_header(name: str, heading: str, row: str = "") -> str:
    """`[handbook.md]`; below it the heading that the chunk stands under, and the first row of the table that it goes on with, if any."""
    return f"[{_short(name)}]\n" + (f"{heading}\n" if heading else "") + (f"{row}\n" if row else "")


def headings(text: str) -> list[tuple[int, str]]:
    """(offset, heading) of each heading that has a line of its own, in order: marked with #, underlined, or numbered."""
    return [(match.start(), _heading(match)) for match in _HEADING.finditer(text)]


def tables(text: str) -> list[tuple[int, int, str]]:
    """(offset of its second row, end, first row) of each table (ingest.parsers.tables), in order."""
    found = []
    for rule in _RULE.finditer(text):
        row = text[text.rfind("\n", 0, rule.start() - 1) + 1 : rule.start()].strip()
        if row.startswith("|"):
            rows = _ROWS.match(text, rule.end())
            found.append((rule.end(), rows.end() if rows else rule.end(), row[:_TABLE_ROW_CHARS]))
    return found


def _heading(match: re.Match[str]) -> str:
    if plain := match["clause"] or match["underlined"]:
        return plain[:_HEADING_CHARS].strip()
    # Closing marks are cut here: a pattern that looked for them took time with the cube of a line's blanks.
    marked = match["markdown"].rstrip()
    return (marked.rstrip("#").rstrip() or marked)[:_HEADING_CHARS].strip()


def _short(name: str) -> str:
    """One line of at most 80 characters; a path loses its beginning, since the end tells more."""
    line = " ".join(name.split())
    return line if len(line) <= _NAME_CHARS else "..." + line[-_NAME_CHARS + 3 :]
