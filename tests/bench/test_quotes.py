"""Quotes survive: what stands under a sentence's boxes is the sentence, however its page is set. (bench/quotes.py)"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.files import CONTRACT, File
from bench.quotes import Quote, bare, quotes_of
from tests.ingest import pdfs

LINES = [
    "It was agreed in the spring. The keeper of the northern gate shall",
    "mend the bridge before the first frost, and the termi-",
    "nation of this lease sets him free; no notice of termination is",
    "needed then. All else stays as it was written here before. So be it.",
]


def page(*lines: tuple[float, float, str]) -> list[tuple[float, float, str]]:
    return list(lines)


def set_at(left: float, top: float, lines: list[str] = LINES) -> list[tuple[float, float, str]]:
    return [(left, top + 15 * number, line) for number, line in enumerate(lines)]


def running(number: int) -> bytes:
    """So many pages with a header and a footer, which the prompt has once."""
    own = [[f"Of gate {'abcdefghijkl'[page]} this was said. ", *LINES[1:]] for page in range(number)]
    pages = [
        [(72, 40, "Lease of the gates"), *set_at(72, 100, lines), (300, 800, f"Page {page} of {number}")]
        for page, lines in enumerate(own, 1)
    ]
    return pdfs.pages_of_text(*pages)


COLUMN = ["It was agreed then. The keeper of the", "northern gate shall mend the bridge", "before the first frost and the thaw."]
OTHER = ["All else stays. Whoever pays the toll", "of the southern gate shall cross the", "bridge before noon on market days."]

PAGES = {
    "plain": lambda: pdfs.pages_of_text(set_at(72, 100)),
    "turned by 90": lambda: pdfs.rotated(pdfs.pages_of_text(set_at(72, 100)), 90),
    "turned by 180": lambda: pdfs.rotated(pdfs.pages_of_text(set_at(72, 100)), 180),
    "turned by 270": lambda: pdfs.rotated(pdfs.pages_of_text(set_at(72, 100)), 270),
    "cropped": lambda: pdfs.cropped(pdfs.pages_of_text(set_at(172, 300)), 150, 300, 595, 600),
    "headers and footers": lambda: running(9),
    "columns": lambda: pdfs.pages_of_text([*set_at(72, 100, [*COLUMN, "So be it."]), *set_at(320, 100, [*OTHER, "So be it."])]),
}


def checked(tmp_path: Path, content: bytes) -> list[Quote]:
    source = tmp_path / "original"
    source.write_bytes(content)
    quotes = list(quotes_of([File("a.pdf", source)], 100))
    assert quotes
    return quotes


@pytest.mark.parametrize("how", PAGES)
def test_every_sentence_stands_under_its_boxes(tmp_path: Path, how: str) -> None:
    for quote in checked(tmp_path, PAGES[how]()):
        assert bare(quote.under) == bare(quote.sentence)


def test_the_samples_sentences_do_too() -> None:
    quotes = list(quotes_of([File("contract.pdf", CONTRACT)], 60))
    assert len(quotes) > 40
    assert [quote for quote in quotes if not quote.is_covered] == []


def test_a_box_elsewhere_is_noticed() -> None:
    moved = Quote("a.pdf", 1, "The keeper mends the bridge.", "The keeper mends the")
    assert not moved.is_covered
    assert not Quote("a.pdf", 1, "the bridge", "of the bridge").is_exact
