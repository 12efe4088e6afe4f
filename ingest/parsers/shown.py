"""What a PDF's page shows beside its words: pictures and drawings, by PDFium's page objects. Draws nothing and reads no text.

Where much of a page is under them and no word stands there, whoever reads the text alone loses something: a scan, a chart, a table as a
picture. Legend: N pictures and drawings.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

from ingest.model import Box

LOST_SHARE = 0.1  # of the page's area: charts in filings have 0.10 to 0.50 of it, logos, portraits and signatures less (docs/log.md)
_CELLS = 64  # a side of the grid on which areas are added up: a cell is 3 mm of A4
_MOST_BOXES = 2_000  # of a page: a map has a hundred thousand strokes, and is a drawing after the first of them
_MOST_DEPTH = 4  # of forms in forms
_OUTLINE_SEGMENTS = 5  # a path of no more is a rule, a box or a shade behind text
_LEAST_SIDE = 0.005  # of the page's: thinner is a line of a table
_WHOLE_SIDE = 0.9  # a path as large in both directions is a frame around the page
_IDENTITY = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

Matrix = tuple[float, float, float, float, float, float]


def picture_corners(page: Any) -> NDArray[np.float64]:
    """[N, (left, top, right, bottom)] in points, y up, as the page's own coordinates are."""
    left, bottom, right, top = page.get_bbox()
    count = pdfium_c.FPDFPage_CountObjects(page)
    items = (pdfium_c.FPDFPage_GetObject(page, index) for index in range(count))
    corners: list[tuple[float, float, float, float]] = []
    for corner in _corners(items, abs(right - left), abs(top - bottom), _IDENTITY, 1):
        corners.append(corner)
        if len(corners) == _MOST_BOXES:
            break
    found = np.array(corners, dtype=np.float64).reshape(-1, 4)
    return np.asarray(found[np.isfinite(found).all(axis=1)])


def covered(boxes: NDArray[np.float64] | Sequence[Box]) -> NDArray[np.bool_]:
    """Which cells of the page's grid, bool [64, 64], lie under the boxes (fractions from the top left)."""
    grid = np.zeros((_CELLS, _CELLS), dtype=bool)
    for left, top, right, bottom in np.asarray(boxes, dtype=np.float64).reshape(-1, 4).tolist():
        rows = slice(int(top * _CELLS), int(np.ceil(bottom * _CELLS)))
        grid[rows, int(left * _CELLS) : int(np.ceil(right * _CELLS))] = True
    return grid


def shows_more(pictures: NDArray[np.bool_], words: Sequence[Box]) -> bool:
    """Whether a page shows more than its words say, by what of it lies under pictures (of `covered`) and where its words stand."""
    return bool(pictures.mean() >= LOST_SHARE and (pictures & ~covered(words)).mean() >= LOST_SHARE)


def _corners(items: Iterator[Any], width: float, height: float, moved: Matrix, depth: int) -> Iterator[tuple[float, float, float, float]]:
    """By PDFium's own calls: pages with 10,000 strokes are common."""
    for item in items:
        kind = pdfium_c.FPDFPageObj_GetType(item)
        if kind == pdfium_c.FPDF_PAGEOBJ_FORM and depth < _MOST_DEPTH:
            inner = (pdfium_c.FPDFFormObj_GetObject(item, index) for index in range(pdfium_c.FPDFFormObj_CountObjects(item)))
            yield from _corners(inner, width, height, _after(_matrix(item), moved), depth + 1)
        elif kind in (pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_SHADING):
            yield _bounds(item, moved)
        elif kind == pdfium_c.FPDF_PAGEOBJ_PATH and pdfium_c.FPDFPath_CountSegments(item) > _OUTLINE_SEGMENTS:
            left, top, right, bottom = _bounds(item, moved)
            wide, high = (right - left) / width, (top - bottom) / height
            if min(wide, high) > _LEAST_SIDE and min(wide, high) < _WHOLE_SIDE:
                yield left, top, right, bottom


def _bounds(item: Any, moved: Matrix) -> tuple[float, float, float, float]:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium_c.FPDFPageObj_GetBounds(item, left, bottom, right, top)
    a, b, c, d, e, f = moved
    corners = [(x, y) for x in (left.value, right.value) for y in (bottom.value, top.value)]
    across, up = [a * x + c * y + e for x, y in corners], [b * x + d * y + f for x, y in corners]
    return min(across), max(up), max(across), min(up)


def _matrix(form: Any) -> Matrix:
    found = pdfium_c.FS_MATRIX()
    pdfium_c.FPDFPageObj_GetMatrix(form, found)
    return found.a, found.b, found.c, found.d, found.e, found.f


def _after(first: Matrix, then: Matrix) -> Matrix:
    """The movement by `first`, then by `then`."""
    a, b, c, d, e, f = first
    A, B, C, D, E, F = then
    return a * A + b * C, a * B + b * D, c * A + d * C, c * B + d * D, e * A + f * C + E, e * B + f * D + F
