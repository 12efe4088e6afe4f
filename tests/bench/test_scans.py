"""How reading scans is scored, and which pages are chosen for it. (bench/scans.py)"""

from __future__ import annotations

from pathlib import Path

import pypdfium2 as pdfium
import pytest

from bench import scans
from bench.files import File, Files
from bench.process import BenchFailed
from bench.scans import Read, figures_of, picked, told
from tests.bench.test_ingest import SENTENCE
from tests.ingest import pdfs

LONG = [(72, 72 + 20 * number, SENTENCE) for number in range(12)]


def read(*texts: str) -> Read:
    return Read({"seconds": 6.0, "pages": float(len(texts))}, list(texts))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    for name in "ab":
        (tmp_path / f"{name}.pdf").write_bytes(pdfs.pages_of_text(LONG, [(72, 72, SENTENCE)], LONG))
    found = tuple(File(name, tmp_path / f"{name}.pdf") for name in "ab")
    return Files(pdfs=found, pages=(3, 3), texts=(), code=())


def test_it_picks_pages_that_have_something_to_read(files: Files, tmp_path: Path) -> None:
    with pdfium.PdfDocument(picked(files, 9, tmp_path / "pages.pdf")) as pages:
        assert [page.get_textpage().count_chars() > 500 for page in pages] == [True] * 4
    with pdfium.PdfDocument(picked(files, 3, tmp_path / "few.pdf")) as pages:
        assert len(pages) == 3


def test_it_says_that_there_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match="--files"):
        picked(Files((), (), (), ()), 3, tmp_path / "pages.pdf")


def test_it_counts_wrong_characters_and_sentences_that_are_still_found() -> None:
    sentences = "The keeper of the “northern” gate shall mend the\nbridge before the frost. All else stays here as it was written long ago."
    wanted = [f"A start. {sentences} So be it."]
    exact = figures_of("of", read(wanted[0].replace("\n", " ")), wanted)
    assert (exact["of.errors"], exact["of.sentences"], exact["of.found"]) == (0, 2, 1)
    straight = figures_of("of", read(wanted[0].replace("“", '"').replace("”", '"')), wanted)
    assert (straight["of.found"], straight["of.alike"], straight["of.plain_errors"]) == (0.5, 1, 0)
    wrong = figures_of("of", read(wanted[0].replace("bridge", "bndge").replace("else", "e1se")), wanted)
    assert (wrong["of.alike"], wrong["of.errors"]) == (0, pytest.approx(3 / 140, abs=0.002))


def test_a_page_that_takes_longer_and_has_more_errors_is_worse() -> None:
    rows = told(150, read("The rent is due."), Read({"seconds": 12.0, "pages": 1.0}, ["The rant is duo."]), ["The rent is due!"])
    assert [row.ratio for row in rows][:2] == [pytest.approx(2), pytest.approx(3)]


def test_both_readers_read_a_scan(files: Files, tmp_path: Path) -> None:
    source = picked(files, 1, tmp_path / "pages.pdf")
    scans.rasterise(source, tmp_path / "scan.pdf", 150)
    for reader in ("ours", "rapidocr"):
        found = scans.reading(tmp_path / "scan.pdf", reader, 1)
        assert found.seconds_a_page > 0
        assert "ferryman paid for the brass scale" in found.texts[0]
