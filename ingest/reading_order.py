"""Pieces of lines, found anywhere on a page, in the order in which a person reads them. Knows boxes; reads no picture.

Prose in columns is read column by column; everything else row by row, so that the cells of a table's row stay together. A piece that
reaches over two columns, such as a title, ends what stands above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from ingest.model import Box

_SAME_ROW = 0.5  # of the lower piece's height, by which two overlap
_COLUMN_PIECES = 4  # fewer below each other are no column
_COLUMN_WIDTH = 0.2  # of the width of all: narrower is a margin's note, or a table's numbers
_FILLED = 0.6  # of its column's width, that the usual row takes
_LONG = 8  # times its height, that the usual piece of prose is wide: cells of a table are shorter
_HEADING_PIECES, _APART = 2, 0.4  # lines of a heading between columns and what is wider; its distance, in its height
_CROSSING_MOST = 0.3  # of the pieces, that may reach over the gap between columns


@dataclass(frozen=True, slots=True)
class Piece:
    """What was found at one place: `index` is the finder's, `box` lies upright (any unit, y down)."""

    index: int
    box: Box


def rows_in_order(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """The rows in reading order, each from left to right."""
    return list(_ordered(pieces))


def has_columns(pieces: Sequence[Piece]) -> bool:
    """Whether some of them stand in columns of prose."""
    return _gap(pieces) is not None


def _ordered(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    gap = _gap(pieces)
    if gap is None:
        yield from _rows(pieces)
        return
    band: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: piece.box[1]):
        if piece.box[0] < gap < piece.box[2]:
            above, heading = _without_heading(band, gap)
            yield from _columns(above, gap)
            yield from _rows(heading)
            yield [piece]
            band = []
        else:
            band.append(piece)
    yield from _columns(band, gap)


def _without_heading(band: Sequence[Piece], gap: float) -> tuple[Sequence[Piece], Sequence[Piece]]:
    """The columns, and what stands below both and apart from its own: a heading of what follows, which may be no wider than a column."""
    left, right = _sides(band, gap)
    if not left or not right:
        return band, ()
    end = min(_bottom(left), _bottom(right))
    below = [piece for piece in band if piece.box[1] >= end]
    above = [piece for piece in band if piece.box[1] < end]
    apart = below and _top(below) - _bottom(above) > _APART * (below[0].box[3] - below[0].box[1])
    return (above, below) if apart and len(below) <= _HEADING_PIECES else (band, ())


def _columns(band: Sequence[Piece], gap: float) -> Iterator[list[Piece]]:
    left, right = _sides(band, gap)
    if _is_column(left) and _is_column(right):
        yield from _ordered(left)
        yield from _ordered(right)
    else:
        yield from _rows(band)


def _sides(pieces: Sequence[Piece], gap: float) -> tuple[list[Piece], list[Piece]]:
    return [piece for piece in pieces if piece.box[2] <= gap], [piece for piece in pieces if piece.box[0] >= gap]


def _gap(pieces: Sequence[Piece]) -> float | None:
    """Where the page divides into two columns of prose with the fewest pieces over the gap, if it does."""
    best: tuple[int, float] | None = None
    for edge in {piece.box[0] for piece in pieces}:
        gap = edge - 1e-6
        left, right = _sides(pieces, gap)
        crossing = len(pieces) - len(left) - len(right)
        if crossing <= _CROSSING_MOST * len(pieces) and (best is None or crossing < best[0]) and _are_columns(left, right, pieces):
            best = crossing, gap
    return best[1] if best else None


def _are_columns(left: Sequence[Piece], right: Sequence[Piece], pieces: Sequence[Piece]) -> bool:
    if not (_is_column(left) and _is_column(right)):
        return False
    width = _width(pieces)
    beside = min(_bottom(left), _bottom(right)) - max(_top(left), _top(right))
    taller = max(_bottom(left) - _top(left), _bottom(right) - _top(right))
    return min(_width(left), _width(right)) >= _COLUMN_WIDTH * width and beside >= taller / 4


def _is_column(pieces: Sequence[Piece]) -> bool:
    """Whether they are prose, in one column or more."""
    rows = list(_rows(pieces)) if len(pieces) >= _COLUMN_PIECES else []
    if len(rows) < _COLUMN_PIECES or median(map(_length, pieces)) < _LONG:
        return False
    return median(sum(piece.box[2] - piece.box[0] for piece in row) for row in rows) >= _FILLED * _width(pieces)


def _length(piece: Piece) -> float:
    """In its own heights."""
    left, top, right, bottom = piece.box
    return (right - left) / max(bottom - top, 1e-9)


def _width(pieces: Sequence[Piece]) -> float:
    return max(piece.box[2] for piece in pieces) - min(piece.box[0] for piece in pieces)


def _top(pieces: Sequence[Piece]) -> float:
    return min(piece.box[1] for piece in pieces)


def _bottom(pieces: Sequence[Piece]) -> float:
    return max(piece.box[3] for piece in pieces)


def _rows(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    row: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: piece.box[1] + piece.box[3]):
        if row and not _beside(row[-1], piece):
            yield sorted(row, key=lambda piece: piece.box[0])
            row = []
        row.append(piece)
    if row:
        yield sorted(row, key=lambda piece: piece.box[0])


def _beside(one: Piece, other: Piece) -> bool:
    overlap = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    return overlap > _SAME_ROW * min(one.box[3] - one.box[1], other.box[3] - other.box[1])
