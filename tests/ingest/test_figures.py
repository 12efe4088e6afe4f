"""Tables of figures without bars, as PDFs have them: a chunk that begins inside one says what its columns are."""

from __future__ import annotations

import time

import pytest

from ingest.model import Kind, PageSummary
from ingest.progress import silent
from ingest.prompt.builder import Builder
from ingest.prompt.figures import figure_tables
from ingest.prompt.headers import header_for
from tests.ingest.conftest import ByteTokenizer

ROWS = "Net income 815 1,058\nImpairment 138 —\nOther, before\nall effects (207) (26.5)\n\nMargin $ 12 % $ 9.5 %\n"


def found(text: str) -> list[tuple[str, str]]:
    return [(row, text[start:end]) for start, end, row in figure_tables(text)]


@pytest.mark.parametrize("head", ["($ million) 2022 2023", "June 30, 2022  July 1, 2023", "2022 2021 % Change 2022 2021 % Change"])
def test_it_finds_a_table_under_its_years(head: str) -> None:
    text = f"Cash flows of the year.\n{head}\n{ROWS}(1) Not in cash, as was said.\nMore.\nMore.\nAnd more.\nThe end 1 2"
    assert found(text) == [(" ".join(head.split()), ROWS)]


@pytest.mark.parametrize(
    "text",
    [
        f"He was appointed in May 2010. He left in 2013\n{ROWS}",
        f"Invoices of 2022 and 2023, with numbers 4471 and 4472\n{ROWS}",
        "2022 2023\nThe first row says nothing.\nNor does this 1 2\n",
        "from 2010 to 2013,\n1 2\n3 4\n5 6\n",
        f"2023\n{ROWS}",
    ],
)
def test_it_leaves_alone_what_is_no_table(text: str) -> None:
    assert found(text) == []


def test_a_page_and_another_table_end_it() -> None:
    text = f"2021 2022\n{ROWS}2019 2020\nFees 1 2\nTolls 3 4\n\fFees 1 2\n"
    assert found(text) == [("2021 2022", ROWS), ("2019 2020", "Fees 1 2\nTolls 3 4\n")]


def test_a_chunk_inside_says_the_columns_and_one_that_begins_it_does_not() -> None:
    text = f"Report of the year\n2022 2023\n{ROWS * 8}"
    pages = (PageSummary(1, 0, len(text), 595, 842, True),)
    header = header_for(Kind.PAGED, "a.pdf", text, pages)
    built = Builder(ByteTokenizer(), 80).build(text, Kind.PAGED, header, silent)
    headers = [header(int(row["start_char"]), int(row["end_char"])) for row in built.rows]
    assert len(headers) > 2
    assert headers[0] == "[a.pdf, page 1]\n"
    assert set(headers[1:]) == {"[a.pdf, page 1]\n2022 2023\n"}


def test_a_line_of_a_million_figures_takes_no_time() -> None:
    started = time.process_time()
    assert figure_tables("2022 2023\n" + "1 2022 — $ ( " * 80_000 + "x\n" + "2022 " * 200_000) == []
    assert time.process_time() - started < 2
