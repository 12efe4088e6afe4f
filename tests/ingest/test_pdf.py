"""PDF parsing, beside pypdf and against files that mean harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from pypdf import PdfReader

from ingest.errors import FileRefused, LimitExceeded, PasswordNeeded
from ingest.limits import Limits
from ingest.model import ParsedPage
from ingest.parsers.base import ParserContext
from ingest.parsers.pdf import PdfParser
from tests.ingest import pdfs

CONTRACT = Path(__file__).resolve().parents[2] / "samples" / "contract.pdf"


def parse(tmp_path: Path, content: bytes, limits: Limits | None = None) -> list[ParsedPage]:
    source = tmp_path / "original"
    source.write_bytes(content)
    return list(PdfParser().parse(source, ParserContext(limits or Limits())))


def test_it_reads_the_same_words_in_the_same_order_as_pypdf() -> None:
    ours = list(PdfParser().parse(CONTRACT, ParserContext()))
    theirs = PdfReader(CONTRACT).pages
    assert len(ours) == len(theirs) == 8
    for page, reference in zip(ours[:6], theirs, strict=False):  # pypdf glues the cells of page 7's table together
        assert page.text.split() == reference.extract_text().split()


def test_it_gives_each_word_the_characters_that_it_covers() -> None:
    for page in PdfParser().parse(CONTRACT, ParserContext()):
        assert [page.text[word.start : word.end] for word in page.words] == page.text.split()


def test_it_measures_boxes_from_the_top_left(tmp_path: Path) -> None:
    (page,) = parse(tmp_path, pdfs.pages_of_text([(59.5, 84.2, "corner")]))
    left, top, right, bottom = page.words[0].box
    assert left == pytest.approx(0.1, abs=0.005)
    assert top < 0.1 < bottom < 0.11
    assert left < right < 0.2


@pytest.mark.parametrize(("degrees", "expected"), [(90, (0.9, 0.1)), (180, (0.9, 0.9)), (270, (0.1, 0.9))])
def test_it_turns_boxes_with_the_page(tmp_path: Path, degrees: int, expected: tuple[float, float]) -> None:
    (page,) = parse(tmp_path, pdfs.rotated(pdfs.pages_of_text([(59.5, 84.2, "i")]), degrees))
    left, top, right, bottom = page.words[0].box
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx(expected, abs=0.02)
    assert (page.width > page.height) == (degrees != 180)


def test_it_measures_boxes_in_the_crop_box(tmp_path: Path) -> None:
    whole = pdfs.pages_of_text([(300, 442, "i")])
    (page,) = parse(tmp_path, pdfs.cropped(whole, 300, 300, 500, 500))
    left, top, _, bottom = page.words[0].box
    assert (page.width, page.height) == (200, 200)
    assert left == pytest.approx(0.0, abs=0.01)
    assert top < 0.5 < bottom < 0.52


def test_it_keeps_paragraphs_apart_with_a_blank_line(tmp_path: Path) -> None:
    lines = [(72, 100, "First line"), (72, 115, "second line"), (72, 145, "New paragraph"), (72, 160, "goes on")]
    (page,) = parse(tmp_path, pdfs.pages_of_text(lines))
    assert page.text.replace(" \n", "\n") == "First line\nsecond line\n\nNew paragraph\ngoes on"


def test_it_puts_a_word_together_that_a_line_end_cut_and_marks_both_halves(tmp_path: Path) -> None:
    (page,) = parse(tmp_path, pdfs.pages_of_text([(72, 100, "the termi-"), (72, 115, "nation of it"), (72, 130, "by termination")]))
    assert page.text.split() == ["the", "termination", "of", "it", "by", "termination"]
    assert [page.text[word.start : word.end] for word in page.words] == ["the", "termi", "nation", "of", "it", "by", "termination"]
    upper, lower = page.words[1].box, page.words[2].box
    assert upper[3] <= lower[1] + 0.005
    assert lower[0] < upper[0]


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (["a wholly-", "owned company"], "wholly-owned"),
        (["the Anglo-", "American one"], "Anglo-American"),
        (["the com-", "mon and common and the com-mon"], "com-mon"),
        (["a long-", "range plan, a Longrange one"], "longrange"),
        (["the years 2020-", "21"], "2020-21"),
    ],
)
def test_it_drops_a_hyphen_only_if_the_document_has_the_word_without(tmp_path: Path, page: list[str], words: str) -> None:
    (read,) = parse(tmp_path, pdfs.pages_of_text([(72, 100 + 15 * number, line) for number, line in enumerate(page)]))
    assert words in "".join(read.text.split("\n") if "2020" in words else read.text).split()


def test_an_earlier_page_tells_too(tmp_path: Path) -> None:
    content = pdfs.pages_of_text([(72, 100, "an overall view")], [(72, 100, "one over-"), (72, 115, "all view")])
    assert parse(tmp_path, content)[1].text.split() == ["one", "overall", "view"]


def test_it_counts_an_emoji_as_one_character(tmp_path: Path) -> None:
    (page,) = parse(tmp_path, pdfs.spelled("h🙂llo"))
    assert page.text == "h🙂llo"
    assert page.text[page.words[0].start : page.words[0].end] == "h🙂llo"


def test_it_knows_a_scan_with_and_without_text(tmp_path: Path) -> None:
    (bare,) = parse(tmp_path, pdfs.scan())
    (layered,) = parse(tmp_path, pdfs.scan(invisible_text="Deposit EUR 35"))
    assert (bare.has_image, bare.text) == (True, "")
    assert (layered.has_image, layered.text) == (True, "Deposit EUR 35")
    assert len(layered.words) == 3


def test_it_refuses_a_locked_pdf_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PasswordNeeded, match=r"needs a password\. Type the password on its page, or save it as a PDF without one"):
        parse(tmp_path, pdfs.encrypted(pdfs.pages_of_text([(72, 72, "x")])))


def test_it_reads_a_pdf_that_only_its_owner_may_change(tmp_path: Path) -> None:
    (page,) = parse(tmp_path, pdfs.encrypted(pdfs.pages_of_text([(72, 72, "Ninety days.")]), password=""))
    assert page.text == "Ninety days."


def test_it_refuses_a_truncated_pdf(tmp_path: Path) -> None:
    whole = pdfs.pages_of_text([(72, 72, "x")])
    with pytest.raises(FileRefused, match="damaged"):
        parse(tmp_path, whole[:200])


@pytest.mark.parametrize("claimed", [3, 1_000_000])
def test_it_ends_on_a_page_tree_that_contains_itself(tmp_path: Path, claimed: int) -> None:
    with pytest.raises(FileRefused, match="damaged"):
        parse(tmp_path, pdfs.by_hand("2 0 R", claimed, pdfs.PAGE))


def test_it_refuses_more_pages_than_the_limit(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="2 pages, 1 more than the 1 that are read"):
        parse(tmp_path, pdfs.pages_of_text([(72, 72, "a")], [(72, 72, "b")]), Limits(pages=1))


def test_it_reads_a_page_of_absurd_size(tmp_path: Path) -> None:
    (page,) = parse(tmp_path, pdfs.by_hand("3 0 R", 1, pdfs.PAGE.replace("0 0 612 792", "0 0 1e9 1e9")))
    assert page.text == "hello"
    assert all(0 <= side <= 1 for side in page.words[0].box)
