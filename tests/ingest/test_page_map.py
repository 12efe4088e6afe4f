"""The page map: from characters to places and back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.document import read_document
from ingest.model import DocumentSummary, Kind, PageSummary, Reading, Word
from ingest.plain_signs import with_plain_signs
from ingest.prompt.page_map import PageMap, line_starts, word_rows, write_page_map
from ingest.prompt.word_file import WORD_ROW
from ingest.storage import DocumentFolder, ParsedFiles
from tests.ingest import pdfs
from tests.ingest.conftest import ByteTokenizer

Read = Callable[[str, bytes], tuple[DocumentFolder, DocumentSummary]]
PAGES = st.lists(st.lists(st.text("abcé🙂", min_size=1, max_size=5), max_size=6), min_size=1, max_size=6)


@given(PAGES, st.data())
def test_it_finds_every_word_of_every_page_again(pages: list[list[str]], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        parsed = ParsedFiles(Path(folder))
        text, summaries = write(parsed, pages)
        page_map = PageMap.open(parsed)
        for summary in summaries:
            assert page_map.page_span(summary.number) == (summary.start_char, summary.end_char)
        start = data.draw(st.integers(0, max(0, len(text) - 1)))
        end = data.draw(st.integers(start, len(text)))
        place = page_map.place(start, end)
        first, last = page_map.page_span(place.page or 0)
        assert first <= start <= last
        covered = {(page, round(box[1] * 100)) for page, box in place.boxes}
        assert covered == {
            (number, line) for number, line, word_start, word_end in words_of(pages) if word_start < end and start < word_end
        }


def write(parsed: ParsedFiles, pages: list[list[str]]) -> tuple[str, list[PageSummary]]:
    """Each word is a line of its own, so that its box is its own too."""
    texts = ["\n".join(words) for words in pages]
    summaries, rows, offset = [], [], 0
    for number, page in enumerate(texts, 1):
        summaries.append(PageSummary(number, offset, offset + len(page), 100, 100, bool(page)))
        rows.append(word_rows(page_words(pages[number - 1]), number, offset))
        offset += len(page) + 1
    write_page_map(parsed, Kind.PAGED, zip(summaries, rows, strict=True))
    return "\f".join(texts), summaries


def page_words(words: list[str]) -> list[Word]:
    starts = [sum(len(word) + 1 for word in words[:index]) for index in range(len(words))]
    return [
        Word(start, start + len(word), (0.1, line / 100, 0.2, (line + 0.9) / 100))
        for line, (start, word) in enumerate(zip(starts, words, strict=True))
    ]


def words_of(pages: list[list[str]]) -> list[tuple[int, int, int, int]]:
    found, offset = [], 0
    for number, words in enumerate(pages, 1):
        found += [(number, round(word.box[1] * 100), offset + word.start, offset + word.end) for word in page_words(words)]
        offset += len("\n".join(words)) + 1
    return found


@pytest.mark.parametrize(
    ("start", "end", "reading"),
    [
        (0, 5, Reading.FILE),
        (8, 12, Reading.OCR),
        (8, 25, Reading.POOR),
        (12, 18, Reading.OCR),
        (22, 22, Reading.POOR),
        (32, 35, Reading.UNREAD),
        (20, 35, Reading.POOR),
    ],
)
def test_a_place_is_as_sure_as_the_least_sure_of_its_pages(start: int, end: int, reading: Reading) -> None:
    readings = (Reading.FILE, Reading.OCR, Reading.POOR, Reading.UNREAD)
    pages = [PageSummary(number, 10 * number, 10 * number + 9, 1, 1, True, reading=each) for number, each in enumerate(readings)]
    page_map = PageMap(Kind.PAGED, tuple(pages), np.zeros(0, dtype=WORD_ROW), np.zeros(0, dtype=np.int64))
    assert page_map.place(start, end).reading is reading


def test_only_the_words_of_a_picture_are_read_by_ocr_in_a_text() -> None:
    picture = PageSummary(1, 10, 20, 1, 1, True, reading=Reading.UNCERTAIN)
    page_map = PageMap(Kind.TEXT, (picture,), np.zeros(0, dtype=WORD_ROW), line_starts("x" * 40))
    spans = [(0, 10), (5, 11), (12, 15), (19, 30), (20, 30)]
    found = [page_map.place(*span).reading is Reading.UNCERTAIN for span in spans]
    assert found == [False, True, True, True, False]


def test_it_gives_one_box_a_line(read: Read) -> None:
    lines = [(72.0, 100.0, "The fee is due"), (72.0, 115.0, "within thirty days"), (72.0, 130.0, "of the invoice.")]
    folder, _ = read("a.pdf", pdfs.pages_of_text(lines))
    text = folder.parsed.text.read_text()
    start, end = text.index("fee"), text.index("invoice")
    place = PageMap.open(folder.parsed).place(start, end)
    assert place.page == 1
    assert len(place.boxes) == 3
    first, second = place.boxes[0][1], place.boxes[1][1]
    assert first[0] > second[0]
    assert first[3] < second[3]


def test_it_marks_a_quote_that_goes_over_a_page(read: Read) -> None:
    folder, _ = read("a.pdf", pdfs.pages_of_text([(72, 800, "ends here")], [(72, 72, "and goes on")]))
    text = folder.parsed.text.read_text()
    place = PageMap.open(folder.parsed).place(text.index("here"), text.index("goes"))
    assert place.page == 1
    assert [page for page, _ in place.boxes] == [1, 2]


@pytest.mark.parametrize("name", ["a.py", "a.md"])
def test_it_names_lines_where_there_are_no_pages(read: Read, name: str) -> None:
    folder, _ = read(name, "ä = 1\r\nb = 2\nc = 3".encode())
    page_map = PageMap.open(folder.parsed)
    assert (page_map.place(0, 5).first_line, page_map.place(0, 5).last_line) == (1, 1)
    assert (page_map.place(0, 7).first_line, page_map.place(0, 7).last_line) == (1, 2)
    assert page_map.place(12, 17).first_line == 3
    assert page_map.place(12, 17).page is None


def test_it_knows_no_page_that_is_not_there(read: Read) -> None:
    folder, _ = read("a.pdf", pdfs.pages_of_text([(72, 72, "x")]))
    with pytest.raises(IndexError, match="page 2 of 1"):
        PageMap.open(folder.parsed).page_span(2)


@given(st.text(min_size=1).filter(lambda text: text.strip() and "\x00" not in text))
def test_it_reads_text_back_but_for_line_ends_and_signs_that_look_plain(text: str) -> None:
    with TemporaryDirectory() as root:
        folder = DocumentFolder(Path(root), uuid.uuid4())
        folder.folder.mkdir(parents=True)
        folder.original.write_text("\ufeff" + text, encoding="utf-8", newline="")
        read_document("a.txt", "", folder, ByteTokenizer())
        with folder.parsed.text.open(encoding="utf-8", newline="") as file:
            assert file.read() == with_plain_signs(text.replace("\r\n", "\n").replace("\r", "\n"))
