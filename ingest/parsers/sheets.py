"""Excel workbooks and tables of comma-separated values: a row a line, sheet by sheet. Calculates nothing: a formula says its last value."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl

from ingest.limits import Limits
from ingest.parsers.package import BROKEN, damaged, opened
from ingest.parsers.tables import sheet_text
from ingest.parsers.text import read_text

_WHAT = "Excel workbook"
# What openpyxl raises for a workbook that is not as it should be; both of its XML readers raise a SyntaxError.
_BROKEN = (*BROKEN, ValueError, TypeError, AttributeError, IndexError, SyntaxError)
_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50


def read_workbook(source: Path, limits: Limits) -> Iterator[str]:
    """Sheet by sheet, each under its name, in pieces. Raises FileRefused or LimitExceeded."""
    with opened(source, _WHAT, limits):
        pass  # its size is looked at before openpyxl reads any of it
    try:
        with source.open("rb") as file:
            yield from _sheets(openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False))
    except _BROKEN as error:
        raise damaged(_WHAT) from error


def _sheets(book: Any) -> Iterator[str]:
    for sheet in book.worksheets:
        hidden = "" if sheet.sheet_state == "visible" else " (hidden)"
        yield f"# {' '.join(sheet.title.split())}{hidden}\n\n"
        sheet.reset_dimensions()  # what a file says of its size is often wrong
        yield from sheet_text(map(_shown_row, sheet.rows))


def read_separated(source: Path, limits: Limits) -> Iterator[str]:
    """A file of rows whose values are parted by commas, semicolons, tabs or bars, in pieces. Raises FileRefused or LimitExceeded."""
    text = read_text(source, limits)
    csv.field_size_limit(limits.line_chars)
    try:
        yield from sheet_text(csv.reader(io.StringIO(text), delimiter=_delimiter(text)))
    except csv.Error:  # rows that no program would write: as they are
        yield text


def _delimiter(text: str) -> str:
    """The one that gives most of the first rows the same number of values, of more than one."""
    lines = text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES]

    def alike(delimiter: str) -> tuple[int, int]:
        widths = Counter(width for row in csv.reader(lines, delimiter=delimiter) if (width := len(row)) > 1)
        width, rows = max(widths.items(), key=lambda item: item[1], default=(0, 0))
        return rows, width

    return max(_DELIMITERS, key=alike)


def _shown_row(row: Sequence[Any]) -> list[str]:
    return [_shown(cell.value, cell.number_format or "") if cell.value is not None else "" for cell in row]


def _shown(value: object, form: str) -> str:
    """A value much as the sheet shows it: dates as dates, shares in per cent, no noise of floating point."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int | float):
        return f"{value * 100:.12g} %" if "%" in form else f"{value:.15g}"
    return str(value)
