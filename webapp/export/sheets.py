"""A sheet as CSV, line by line, and as XLSX, row by row: texts stay texts in both."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font

from webapp.export.blocks import Sheet
from webapp.export.inert import for_xml, harmless

# So that Excel reads UTF-8 as what it is.
MARK = "\ufeff"
# What one cell of a spreadsheet holds.
MOST_CHARACTERS = 32_767
WIDTH, FIRST_WIDTH = 38, 30


def csv_lines(sheet: Sheet) -> Iterator[str]:
    yield MARK + _line(sheet.head)
    for row in sheet.rows:
        yield _line(row)


def _line(row: Sequence[Any]) -> str:
    target = io.StringIO()
    csv.writer(target).writerow([harmless(value) if isinstance(value, str) else value for value in row])
    return target.getvalue()


def xlsx(sheet: Sheet, title: str) -> bytes:
    """One worksheet whose head stays in sight. No cell is a formula, whatever it begins with."""
    book = Workbook(write_only=True)
    page = book.create_sheet(_title(title))
    page.freeze_panes = "B2"
    for number in range(len(sheet.head)):
        page.column_dimensions[_letters(number)].width = WIDTH if number else FIRST_WIDTH
    page.append([_cell(page, name, bold=True) for name in sheet.head])
    for row in sheet.rows:
        page.append([_cell(page, value) for value in row])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _cell(page: Any, value: str | int | float | None, *, bold: bool = False) -> WriteOnlyCell:
    if not isinstance(value, str):
        return WriteOnlyCell(page, value=value)
    text = for_xml(value)
    if len(text) > MOST_CHARACTERS:
        text = text[: MOST_CHARACTERS - 1] + "…"
    cell = WriteOnlyCell(page, value=text)
    # The library takes what begins with "=" for a formula, and a spreadsheet does when somebody edits it.
    cell.data_type, cell.quotePrefix = "s", True
    cell.alignment, cell.font = Alignment(wrap_text=True, vertical="top"), Font(bold=bold)
    return cell


def _title(text: str) -> str:
    """What a worksheet may be called."""
    return "".join(" " if sign in r"[]:*?/\'" else sign for sign in for_xml(text)).strip()[:31] or "Answers"


def _letters(number: int) -> str:
    """A, B, …, Z, AA: the name of a column from 0."""
    name = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
