"""PDFs whose content goes to and fro between columns: prose is read column by column, tables row by row, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain, zip_longest
from pathlib import Path
from random import Random

import pytest

from ingest.model import ParsedPage
from ingest.parsers.base import ParserContext
from ingest.parsers.pdf import PdfParser
from tests.ingest import pdfs

Parse = Callable[[list[tuple[float, float, str]]], ParsedPage]
Placed = list[tuple[float, float, str]]

FIRST = [
    "The keeper of the gate takes the toll",
    "from each wagon before it comes",
    "to the bridge, and writes it down",
    "in the book that lies at the gate.",
    "Nobody passes by night unless the",
    "warden has given leave, which he",
    "may do for a physician, a midwife",
    "or whoever brings news of a flood.",
]
SECOND = [
    "Where the river stands above the",
    "third mark, the bridge is closed and",
    "a lamp is hung out on both banks.",
    "The ferry then takes people for the",
    "same toll, but neither wagons nor",
    "cattle, and the keeper of the ferry",
    "gives half of what he has taken to",
    "those who keep the banks in order.",
]
THIRD = [
    "Every spring the wardens walk the",
    "banks with two of the neighbours",
    "and look for what the winter has",
    "broken. What they find is put right",
    "before hay is cut, by those whose",
    "land lies beside it, or else at",
    "their cost by whoever the wardens",
    "hire for it in the market town.",
]


@pytest.fixture
def parse(tmp_path: Path) -> Parse:
    def parsed(lines: Placed) -> ParsedPage:
        source = tmp_path / "original"
        source.write_bytes(pdfs.pages_of_text(lines))
        (page,) = PdfParser().parse(source, ParserContext())
        assert all(page.text[word.start : word.end].strip() == page.text[word.start : word.end] != "" for word in page.words)
        assert Counter(page.text.split()) == Counter(" ".join(line for _, _, line in lines).split())
        return page

    return parsed


def column(lines: list[str], left: float, top: float = 120) -> Placed:
    return [(left, top + 15 * index, line) for index, line in enumerate(lines)]


def to_and_fro(*columns: Placed) -> Placed:
    return [line for row in zip_longest(*columns) for line in row if line is not None]


def lines_of(page: ParsedPage) -> list[str]:
    return [line for line in page.text.split("\n") if line]


@pytest.mark.parametrize("lower", [0, 3, 8], ids=["level", "a little lower", "between the lines"])
def test_two_columns_written_line_by_line_are_read_one_after_the_other(parse: Parse, lower: float) -> None:
    page = parse(to_and_fro(column(FIRST, 50), column(SECOND, 310, 120 + lower)))
    assert lines_of(page) == FIRST + SECOND
    for word in page.words:
        assert (word.box[0] > 0.5) == (page.text.index(SECOND[0]) <= word.start)


def test_three_columns_written_line_by_line_are_read_one_after_the_other(parse: Parse) -> None:
    page = parse([(x * 0.8, y, line[:26]) for x, y, line in to_and_fro(column(FIRST, 50), column(SECOND, 280), column(THIRD, 510))])
    assert lines_of(page) == [line[:26].strip() for line in FIRST + SECOND + THIRD]


def test_what_stands_over_and_under_both_columns_keeps_its_place(parse: Parse) -> None:
    title = (50.0, 80.0, "Of the tolls that are paid at the bridge and who keeps what is paid there, by the wardens")
    under = (50.0, 290.0, "Given at the bridge in the presence of the wardens, who have put their names to it below here.")
    page = parse([title, *to_and_fro(column(FIRST, 50), column(SECOND, 310)), under])
    assert lines_of(page) == [title[2], *FIRST, *SECOND, under[2]]


def test_a_shorter_column_ends_before_the_other(parse: Parse) -> None:
    assert lines_of(parse(to_and_fro(column(FIRST, 50), column(SECOND[:5], 310)))) == FIRST + SECOND[:5]


def test_a_word_that_a_column_cuts_in_two_is_put_together(parse: Parse, tmp_path: Path) -> None:
    first = [*FIRST[:3], "The toll of a wagon is the wag-", "on's own and of no other that is", *FIRST[5:]]
    source = tmp_path / "cut"
    source.write_bytes(pdfs.pages_of_text([(50, 80, "What a wagon is"), *to_and_fro(column(first, 50), column(SECOND, 310))]))
    (page,) = PdfParser().parse(source, ParserContext())
    assert "is the wagon's own and of no other" in page.text


def test_columns_whose_content_comes_one_after_the_other_stay(parse: Parse) -> None:
    assert lines_of(parse(column(FIRST, 50) + column(SECOND, 310))) == FIRST + SECOND
    assert lines_of(parse(column(SECOND, 310) + column(FIRST, 50))) == SECOND + FIRST


def test_rows_of_figures_stay_rows(parse: Parse) -> None:
    items = [(f"Wagons with {wheels} wheels and what they carry", f"{wheels * 100}", f"{wheels * 90}") for wheels in range(2, 14)]
    rows = [[(50.0, 100 + 15 * y, item), (430.0, 100 + 15 * y, a), (500.0, 100 + 15 * y, b)] for y, (item, a, b) in enumerate(items)]
    assert lines_of(parse(list(chain(*rows)))) == [" ".join(row) for row in items]


def test_rows_of_long_cells_stay_rows(parse: Parse) -> None:
    items = [(f"Gate {n}, on the road to the mill", f"Paid by wagons of {n} wheels at noon") for n in range(1, 13)]
    rows = [[(50.0, 100 + 15 * y, one), (310.0, 100 + 15 * y, other)] for y, (one, other) in enumerate(items)]
    assert lines_of(parse(list(chain(*rows)))) == [" ".join(row) for row in items]


def test_rows_of_cells_with_several_lines_stay_rows(parse: Parse) -> None:
    tops = [100 + 15 * index + 12 * (index // 3) for index in range(9)]
    left, right = (FIRST + THIRD)[:9], (SECOND + THIRD)[:9]
    rows = [[(50.0, top, one), (310.0, top, other)] for top, one, other in zip(tops, left, right, strict=True)]
    assert lines_of(parse(list(chain(*rows)))) == [f"{one} {other}" for one, other in zip(left, right, strict=True)]


def test_rows_of_cells_of_which_one_is_longer_stay_rows(parse: Parse) -> None:
    rows: Placed = []
    for row, (left, right) in enumerate([(3, 2), (2, 3), (3, 1), (3, 2)]):
        cells = column(FIRST[:left], 50, 100 + 45 * row), column(SECOND[:right], 310, 100 + 45 * row)
        rows += to_and_fro(*cells)
    said = parse(rows)
    assert lines_of(said)[:4] == [f"{FIRST[0]} {SECOND[0]}", f"{FIRST[1]} {SECOND[1]}", FIRST[2], f"{FIRST[0]} {SECOND[0]}"]


def test_columns_with_paragraphs_are_no_table(parse: Parse) -> None:
    first = [(x, y + (12 if index >= 4 else 0), line) for index, (x, y, line) in enumerate(column(FIRST, 50))]
    second = [(x, y + (12 if index >= 3 else 0), line) for index, (x, y, line) in enumerate(column(SECOND, 310))]
    page = parse(to_and_fro(first, second))
    assert page.text.split("\n\n") == ["\n".join(part) for part in (FIRST[:4], FIRST[4:], SECOND[:3], SECOND[3:])]


def test_nothing_is_lost_wherever_it_stands(parse: Parse) -> None:
    random = Random(5)
    for _ in range(12):
        left, right = (
            column(random.choices(FIRST + SECOND + THIRD, k=random.randint(5, 20)), x, random.uniform(90, 140)) for x in (50, 310)
        )
        others = [(random.uniform(20, 400), random.uniform(60, 500), random.choice(THIRD)) for _ in range(random.randint(0, 6))]
        parse(to_and_fro(left, right) + others)  # it counts the words
