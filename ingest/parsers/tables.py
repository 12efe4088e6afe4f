"""Tables as text: a row a line between bars, the first row above a rule, as in Markdown. Knows no format.

A chunk that begins in the middle of such a table repeats its first row in its header (ingest.prompt.headers).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

_LINES_AT_ONCE = 500


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """The rows, a line break after each; '' where no cell says anything. Empty rows and empty columns at the right are left out."""
    filled = [row for row in (_trimmed(row) for row in rows) if row]
    if not filled:
        return ""
    width = max(map(len, filled))
    return "".join(_lines(filled, width))


def sheet_text(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The rows of a sheet in pieces of some hundred lines, however many there are.

    An empty row ends a table. Rows of one cell above a table are its title; the first row with more is its first row.
    """
    lines: list[str] = []
    width = 0
    for cells in map(_trimmed, rows):
        if not cells:
            lines += [] if not lines or lines[-1] == "\n" else ["\n"]
            width = 0
        elif width:
            lines.append(_row(cells, width))
        elif len(cells) == 1:
            lines.append(f"{cells[0]}\n")
        else:
            lines += ["\n"] if lines and lines[-1] != "\n" else []
            width = len(cells)
            lines += [_row(cells, width), _row(["---"] * width, width)]
        if len(lines) >= _LINES_AT_ONCE:
            yield "".join(lines[:-1])
            lines = lines[-1:]
    yield "".join([*lines, "\n"])


def _lines(rows: list[list[str]], width: int) -> Iterator[str]:
    yield _row(rows[0], width)
    yield _row(["---"] * width, width)
    for row in rows[1:]:
        yield _row(row, width)


def _row(cells: Sequence[str], width: int) -> str:
    return f"| {' | '.join([*cells, *[''] * (width - len(cells))])} |\n"


def _trimmed(row: Sequence[str]) -> list[str]:
    cells = [" ".join(cell.split()) for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells
