"""Pages whose content goes to and fro between columns of prose, line by line: their lines as a person reads them. Knows no format.

Only where that is sure is anything moved; all other content stays in the order in which it comes. Sure means that often a word stands
beside the one before it with a gap between, as in a table; that what is on both sides of those gaps is long and goes on from the line
above, as the cells of few tables do (by the small letters that it begins with, so only in scripts that have them); that where one side
begins anew the other does not always do so too, as a table's row does; and that the page divides into columns (ingest.reading_order).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ingest.model import Word
from ingest.parsers.lines import Line
from ingest.reading_order import Piece, has_columns, rows_in_order

_GAP = 0.8  # of a word's height: a wider gap is more than a space
_BESIDE = 0.75  # of a word's height, by which its middle may lie off the other's: columns need not be level
_LEAST_GAPS = 4
_LONG = 8  # times its height, that half of the pieces beside a gap are wide
_NEW_GAP = 0.4  # of a line's height, above the usual gap to the next: a paragraph or a row of a table begins
_LEAST_ROWS = 2  # that begin so on both sides, and none on one alone
_LEAST_CELLS = 3  # that begin so, and what is beside each begins too, by no small letter
_GOING_ON = 0.4  # of the pieces beside a gap begin with a small letter: of prose two thirds, of tables hardly any

_Top = tuple[float, float]
"""Where a line begins, from above, and how high it is."""


def column_by_column(lines: Sequence[Line], boxes: NDArray[np.float64], aspect: float) -> Sequence[Line]:
    """The lines of a page in reading order: the same ones where their content is in it, or where nobody can be sure.

    `boxes` are those of all their words, [words, (left, top, right, bottom)] as fractions of the page, which is `aspect` times as wide as
    high. Quick for most pages: every page comes here.
    """
    boxes = boxes * [aspect, 1, aspect, 1]
    gaps, back = _moves(boxes)
    if np.count_nonzero(gaps) < _LEAST_GAPS:
        return lines
    counts = np.array([len(line.words) for line in lines])
    line_starts = (np.cumsum(counts) - counts)[counts > 0]
    firsts = np.union1d(np.flatnonzero(gaps | back), line_starts)  # the word that each piece begins with
    extents = _extents(boxes, firsts)
    right = np.flatnonzero(gaps[firsts])  # the pieces on the right of a gap; the one before each is on its left
    if not (_are_long(extents[right - 1]) and _are_long(extents[right])):
        return lines
    pieces = list(_pieces(lines, set(firsts.tolist())))
    if len(pieces) != len(firsts):
        return lines
    going_on = np.array([piece.text[:1].islower() for piece in pieces])
    if min(going_on[right - 1].mean(), going_on[right].mean()) < _GOING_ON or _are_rows(extents, going_on, right):
        return lines
    places = [Piece(index, (left, top, wide, low)) for index, (left, top, wide, low) in enumerate(extents.tolist())]
    if not has_columns(places):
        return lines
    rows = [_row([pieces[place.index] for place in row]) for row in rows_in_order(places)]
    return [_cut(line, after.text) for line, after in pairwise(rows)] + rows[-1:]


def _moves(boxes: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For each word whether it stands on the right of the one before with a gap between, and whether it stands further left."""
    left, top, right, bottom = boxes.T
    height, middle = bottom - top, (top + bottom) / 2
    lower = np.minimum(height[1:], height[:-1])
    gaps, back = np.zeros((2, len(boxes)), dtype=bool)
    gaps[1:] = (left[1:] - right[:-1] > _GAP * lower) & (np.abs(middle[1:] - middle[:-1]) < _BESIDE * lower)
    back[1:] = left[1:] < left[:-1]
    return gaps, back


def _extents(boxes: NDArray[np.float64], firsts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The box around the words of each piece."""
    least, most = np.minimum.reduceat(boxes, firsts), np.maximum.reduceat(boxes, firsts)
    return np.stack([least[:, 0], least[:, 1], most[:, 2], most[:, 3]], axis=1)


def _are_long(extents: NDArray[np.float64]) -> bool:
    left, top, right, bottom = extents.T
    return bool(np.mean(right - left >= _LONG * (bottom - top)) >= 0.5)


def _are_rows(extents: NDArray[np.float64], going_on: NDArray[np.bool_], right: NDArray[np.int64]) -> bool:
    """Whether what stands on both sides are the cells of a table, with several lines each."""
    edge = np.median(extents[right, 0]) - _GAP * np.median(extents[:, 3] - extents[:, 1])
    sides = [(extents[side], going_on[side]) for side in (extents[:, 2] <= edge, extents[:, 0] > edge)]
    (one, goes_on), (other, other_goes_on) = sides
    left_news, right_news = _news(one), _news(other)
    if _LEAST_ROWS <= len(left_news) == len(right_news) and all(map(_are_level, left_news, right_news)):
        return True
    beside = [*_beside(left_news, other, other_goes_on), *_beside(right_news, one, goes_on)]
    return len(beside) >= _LEAST_CELLS and not any(beside)


def _beside(news: Sequence[_Top], extents: NDArray[np.float64], going_on: NDArray[np.bool_]) -> Iterator[bool]:
    """Of each line that begins anew, whether the one beside it goes on; nothing where none is beside it."""
    for top, height in news:
        yield from going_on[np.abs(extents[:, 1] - top) < height / 2][:1].tolist()


def _are_level(one: _Top, other: _Top) -> bool:
    return abs(one[0] - other[0]) < one[1] / 2


def _news(extents: NDArray[np.float64]) -> list[_Top]:
    """(top, height) of each line further below the one above than is usual."""
    lines = sorted((top, bottom) for _, top, _, bottom in extents.tolist())
    gaps = [(after - bottom, after, bottom - top) for (top, bottom), (after, _) in pairwise(lines) if after > (top + bottom) / 2]
    usual = sorted(gap for gap, _, _ in gaps)[len(gaps) // 4] if gaps else 0.0
    return [(after, height) for gap, after, height in gaps if gap > usual + _NEW_GAP * height]


def _pieces(lines: Sequence[Line], firsts: set[int]) -> Iterator[Line]:
    """The lines, cut before each word of those numbers. A line without a word is none, and one that says something is not lost with it:
    it makes one piece more than there are places."""
    number = 0
    for line in lines:
        cuts = [index for index in range(len(line.words)) if number + index in firsts]
        number += len(line.words)
        if line.text.strip() and not cuts:
            yield line
        for first, last in pairwise([*cuts, len(line.words)] if cuts else []):
            yield _piece(line, first, last)


def _piece(line: Line, first: int, last: int) -> Line:
    """A line from one word to another; together the pieces of a line have all of its text."""
    start = line.words[first].start if first else 0
    end = line.words[last].start if last < len(line.words) else len(line.text)
    words = tuple(Word(word.start - start, word.end - start, word.box) for word in line.words[first:last])
    return Line(line.text[start:end].rstrip(" "), words, line.is_cut and last == len(line.words))


def _row(pieces: Sequence[Line]) -> Line:
    """One line of what stands beside each other."""
    words: list[Word] = []
    length = 0
    for piece in pieces:
        words += [Word(length + word.start, length + word.end, word.box) for word in piece.words]
        length += len(piece.text) + 1
    return Line(" ".join(piece.text for piece in pieces), tuple(words), pieces[-1].is_cut)


def _cut(line: Line, after: str) -> Line:
    """The line, with whether its end is inside a word: nobody saw that where another column's text came next."""
    is_cut = line.is_cut or (line.text[-2:-1].isalpha() and line.text.endswith("-") and after[:1].islower())
    return Line(line.text, line.words, is_cut)
