"""Tables as text: a row a line between bars, the first row above a rule, as in Markdown. Knows no format.

A chunk that begins in the middle of such a table repeats its first row in its header (ingest.prompt.headers).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """The rows, a line break after each; '' where no cell says anything. Empty rows and empty columns at the right are left out."""
    filled = [row for row in (_trimmed(row) for row in rows) if row]
    if not filled:
        return ""
    width = max(map(len, filled))
    return "".join(_lines(filled, width))


def row_text(cells: Sequence[str], width: int) -> str:
    """One row of a table of `width` columns."""
    return f"| {' | '.join([*cells, *[''] * (width - len(cells))])} |\n"


def rule_text(width: int) -> str:
    """What stands under a table's first row."""
    return row_text(["---"] * width, width)


def _lines(rows: list[list[str]], width: int) -> Iterator[str]:
    yield row_text(rows[0], width)
    yield rule_text(width)
    for row in rows[1:]:
        yield row_text(row, width)


def _trimmed(row: Sequence[str]) -> list[str]:
    cells = [" ".join(cell.split()) for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells
