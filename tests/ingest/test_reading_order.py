"""Pieces of lines in the order in which people read them."""

from __future__ import annotations

from random import Random

from ingest.reading_order import Piece, rows_in_order

Named = dict[str, tuple[float, float, float, float]]


def order(named: Named) -> list[list[str]]:
    """The names, row by row; the pieces are handed over in no order."""
    names = sorted(named)
    Random(7).shuffle(names)
    return [[names[piece.index] for piece in row] for row in rows_in_order([Piece(index, named[name]) for index, name in enumerate(names)])]


def column(name: str, left: float, right: float, lines: int, top: float = 100.0) -> Named:
    return {f"{name}{line}": (left, top + 14 * line, right - 3 * (line % 3), top + 14 * line + 10) for line in range(lines)}


def test_it_reads_a_page_of_one_column_from_the_top() -> None:
    assert order(column("a", 50, 500, 6)) == [["a0"], ["a1"], ["a2"], ["a3"], ["a4"], ["a5"]]


def test_it_reads_columns_of_prose_one_after_the_other() -> None:
    page = column("left", 50, 280, 6) | column("right", 300, 530, 6)
    assert [row[0] for row in order(page)] == [*(f"left{line}" for line in range(6)), *(f"right{line}" for line in range(6))]


def test_a_title_and_a_paragraph_over_both_columns_part_them() -> None:
    page = {"title": (150.0, 60.0, 430.0, 80.0), "wide": (50.0, 200.0, 530.0, 210.0)}
    page |= column("a", 50, 280, 5) | column("b", 300, 530, 5) | column("c", 50, 280, 5, 230) | column("d", 300, 530, 5, 230)
    assert [row[0][0] for row in order(page)] == ["t", *"aaaaa", *"bbbbb", "w", *"ccccc", *"ddddd"]


def test_a_short_heading_below_the_columns_stays_with_what_it_heads() -> None:
    page = column("a", 50, 280, 5) | column("b", 300, 530, 5)
    page |= {"heading": (50.0, 185.0, 150.0, 195.0), "wide": (50.0, 200.0, 530.0, 210.0)}
    assert [row[0][0] for row in order(page)] == [*"aaaaa", *"bbbbb", "h", "w"]


def test_it_keeps_the_cells_of_a_tables_row_together() -> None:
    page: Named = {}
    for line in range(8):
        top = 100.0 + 20 * line
        page |= {f"item{line}": (50, top, 130 + 20 * (line % 4), top + 10), f"price{line}": (480, top + 1, 530, top + 11)}
    assert order(page) == [[f"item{line}", f"price{line}"] for line in range(8)]


def test_three_columns_are_read_in_their_order() -> None:
    page = column("a", 40, 190, 6) | column("b", 205, 355, 6) | column("c", 370, 520, 6)
    assert [row[0][0] for row in order(page)] == [*"aaaaaa", *"bbbbbb", *"cccccc"]


def test_nothing_is_lost_wherever_it_stands() -> None:
    random = Random(3)
    for _ in range(30):
        page = {}
        for index in range(random.randrange(0, 40)):
            left, top = random.uniform(0, 500), random.uniform(0, 700)
            page[f"p{index}"] = (left, top, left + random.uniform(5, 300), top + random.uniform(5, 20))
        assert sorted(name for row in order(page) for name in row) == sorted(page)
