"""Workbooks and separated values: rows stay rows, whatever their size. openpyxl, not read-only, is the independent reader."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import date, datetime

import openpyxl
import pytest

from ingest.errors import FileRefused, LimitExceeded
from ingest.limits import Limits
from ingest.parsers.tables import sheet_text
from tests.ingest import packages

TextOf = Callable[..., str]


def workbook(**sheets: Sequence[Sequence[object]]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return book


def saved(book: openpyxl.Workbook) -> bytes:
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def test_it_reads_sheet_by_sheet_with_tables_where_they_begin(text_of: TextOf) -> None:
    book = workbook(
        Prices=[["Prices 2026"], ["Item", "Fee", "Due"], ["Boat\nhouse", 40, date(2026, 3, 1)], [], ["Note"], ["A", "B"], [None, True]],
        Empty=[],
    )
    assert text_of(saved(book), "a.xlsx") == (
        "# Prices\n\nPrices 2026\n\n| Item | Fee | Due |\n| --- | --- | --- |\n| Boat house | 40 | 2026-03-01 |\n\n"
        "Note\n\n| A | B |\n| --- | --- |\n|  | TRUE |\n\n# Empty\n\n\n"
    )


def test_it_shows_values_much_as_the_sheet_does(text_of: TextOf) -> None:
    book = workbook(S=[["a", "b", "c", "d", "e"], [0.1 + 0.2, 0.125, 3.0, datetime(2026, 1, 2, 3, 4), -7]])
    book["S"]["B2"].number_format = "0.0%"
    book["S"].sheet_state = "hidden"
    book.create_sheet("T")
    assert text_of(saved(book)).startswith(
        "# S (hidden)\n\n| a | b | c | d | e |\n| --- | --- | --- | --- | --- |\n| 0.3 | 12.5 % | 3 | 2026-01-02 03:04 | -7 |\n"
    )


def test_it_reads_every_cell_that_openpyxl_reads(text_of: TextOf) -> None:
    content = saved(
        workbook(**{f"S{sheet}": [[f"{sheet} {row} {column}" for column in range(5)] for row in range(700)] for sheet in range(2)})
    )
    book = openpyxl.load_workbook(io.BytesIO(content))
    cells = [cell for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row]
    rows = [line for line in text_of(content).splitlines() if line.startswith("| ") and "---" not in line]
    assert [cell for row in rows for cell in row.strip("| ").split(" | ")] == cells


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_it_tells_what_parts_the_values(text_of: TextOf, delimiter: str) -> None:
    rows = [["Name", "Fee, net", "Note"], ["Ann", "40", 'says "no"'], ["Bob", "4;5", "two\nlines"]]
    content = "\r\n".join(delimiter.join('"{}"'.format(cell.replace('"', '""')) for cell in row) for row in rows)
    name = "a.tsv" if delimiter == "\t" else "a.csv"
    assert text_of(content.encode("utf-16"), name) == (
        '| Name | Fee, net | Note |\n| --- | --- | --- |\n| Ann | 40 | says "no" |\n| Bob | 4;5 | two lines |\n\n'
    )


def test_a_file_of_lines_stays_lines(text_of: TextOf) -> None:
    assert text_of(b"just a line\nand one more\n", "a.csv") == "just a line\nand one more\n\n"


def test_pieces_of_a_long_sheet_are_the_whole_sheet() -> None:
    rows = [["n", "square"], *[[str(number), str(number**2)] for number in range(3000)]]
    pieces = list(sheet_text(rows))
    assert len(pieces) > 4
    assert "".join(pieces).splitlines()[2:-1] == [f"| {number} | {number**2} |" for number in range(3000)]


def test_a_workbook_that_says_too_much_of_itself_is_read_as_it_is(text_of: TextOf) -> None:
    """A dimension of a million rows, as hostile and as careless programs write it."""
    content = packages.changed(
        saved(workbook(S=[["a", "b"]])),
        lambda name, part: part.replace(b'ref="A1:B1"', b'ref="A1:XFD1048576"') if "sheet1" in name else part,
    )
    assert text_of(content) == "# S\n\n| a | b |\n| --- | --- |\n\n"


def test_it_refuses_bombs_damage_and_locks(text_of: TextOf) -> None:
    good = saved(workbook(S=[["a"]]))
    with pytest.raises(LimitExceeded, match="text and marks of this Excel workbook have 250 MB"):
        text_of(packages.changed(good, lambda name, part: part + b" " * 250_000_000 if "sheet1" in name else part))
    with pytest.raises(FileRefused, match="Excel workbook is damaged"):
        text_of(packages.changed(good, lambda name, part: b"<worksheet" if name == "xl/workbook.xml" else part))
    with pytest.raises(FileRefused, match=r"binary form\. Save it as \.xlsx"):
        text_of(packages.zipped({"[Content_Types].xml": "<a/>", "xl/workbook.bin": "x"}))


def test_a_line_of_a_hundred_megabytes_is_data(text_of: TextOf) -> None:
    with pytest.raises(LimitExceeded, match="100,000,000 characters, 99,000,000 more than the 1,000,000 that are read"):
        text_of(b"a,b" + b"x" * 99_999_997, "a.csv", Limits(text_chars=200_000_000))
