"""Which header a span of a document's text gets: its page, its lines, or the heading and the table that it stands in. Counts no tokens."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np

from ingest.model import Kind, PageSummary
from ingest.prompt.figures import figure_tables
from ingest.prompt.page_map import line_starts
from ingest.prompt.wording import code_header, headings, paged_header, tables, text_header

Header = Callable[[int, int], str]
"""(start_char, end_char) of a body -> the header before it."""

_Tables = list[tuple[int, int, str]]
"""(offset of its second row, end, first row) of each table, in order."""


def header_for(kind: Kind, name: str, text: str, pages: Sequence[PageSummary]) -> Header:
    """The header function of one document. `pages` is only looked at for paged documents."""
    if kind is Kind.PAGED:
        return _paged(name, [page.start_char for page in pages], figure_tables(text))
    if kind is Kind.CODE:
        return _code(name, text)
    return _text(name, headings(text), tables(text))


def _paged(name: str, starts: list[int], tables: _Tables) -> Header:
    return lambda start, end: paged_header(name, bisect_right(starts, start), bisect_right(starts, end - 1), _first_row(tables, start))


def _code(path: str, text: str) -> Header:
    starts = line_starts(text)
    return lambda start, end: code_header(path, *np.searchsorted(starts, [start, end - 1], side="right").tolist())


def _text(name: str, found: list[tuple[int, str]], tables: _Tables) -> Header:
    headings_at = [offset for offset, _ in found]

    def header(start: int, end: int) -> str:  # noqa: ARG001 -- every Header takes both
        above = bisect_right(headings_at, start) - 1
        opens_body = above >= 0 and headings_at[above] == start  # the body itself says it
        return text_header(name, "" if above < 0 or opens_body else found[above][1], _first_row(tables, start))

    return header


def _first_row(tables: _Tables, start: int) -> str:
    """That of the table which a body that begins at `start` goes on with, if any."""
    table = bisect_right(tables, start, key=lambda table: table[0]) - 1
    return tables[table][2] if table >= 0 and start < tables[table][1] else ""
