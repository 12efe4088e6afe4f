"""Page headers and footers: those that are sure go, but for the first; all else stays, and words keep their boxes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ingest.model import DocumentSummary
from ingest.prompt.page_map import PageMap
from ingest.running_lines import without_running_lines
from ingest.storage import DocumentFolder
from tests.ingest import pdfs

Read = Callable[[str, bytes], tuple[DocumentFolder, DocumentSummary]]


def left(texts: list[str]) -> list[str]:
    return [text[first:last].strip("\n") for text, (first, last) in zip(texts, without_running_lines(texts), strict=True)]


def pages(count: int, form: str) -> list[str]:
    return [form.format(page=page, words=f"word{'abcdefghijklmnopqrstuvwxyz'[page]} stands here alone") for page in range(1, count + 1)]


@pytest.mark.parametrize("form", ["{words}\nPage {page} of 9", "{page}\n\n{words}", "Lease No. HTW-2024-0417 {page}\n{words}\n\n{page}\n"])
def test_lines_that_count_the_pages_go_but_for_the_first(form: str) -> None:
    texts = pages(9, form)
    found = left(texts)
    assert found[0] == texts[0].strip("\n")
    assert found[1:] == [f"word{letter} stands here alone" for letter in "cdefghij"]


def test_lines_that_are_always_the_same_go_where_there_are_many() -> None:
    assert left(pages(9, "Table of Contents\n{words}"))[1] == "wordc stands here alone"
    few = pages(7, "Table of Contents\n{words}")
    assert left(few) == few


@pytest.mark.parametrize(
    "form",
    [
        "{words}\nName: Ann Lee",  # a signature
        "{words}\nABC00000{page}",  # the number of a page in a court's files
        "{words}\n00012{page}",
        "{words}\n1,20{page}",  # a sum
        "{words}\n* * *",
    ],
)
def test_what_is_not_sure_stays(form: str) -> None:
    texts = pages(9, form)
    assert left(texts) == texts


def test_numbers_that_do_not_count_the_pages_stay() -> None:
    texts = [f"{'abcdefghi'[page]} words\nTotal {total}" for page, total in enumerate([7, 3, 12, 9, 40, 5, 8, 2, 31])]
    assert left(texts) == texts


def test_an_exhibit_may_count_anew_and_a_number_by_itself_stays() -> None:
    numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3, 40]
    texts = [f"{'abcdefghijklmnop'[page]} words\n{number}" for page, number in enumerate(numbers)]
    assert [page for page, text in enumerate(left(texts)) if text == texts[page]] == [0, 15]


def test_a_line_inside_the_page_stays_and_a_page_of_nothing_else_stays_whole() -> None:
    texts = pages(9, "\n".join(["{words}"] * 5 + ["Page {page}"] + ["{words}"] * 5))
    assert left(texts) == texts
    texts = [f"Page {page}" for page in range(9)]
    assert left(texts) == texts


def test_words_keep_their_boxes_and_their_characters(read: Read) -> None:
    content = pdfs.pages_of_text(
        *[[(72, 40, "The Lease"), (72, 400, f"clause {'abcdefghij'[page]}"), (72, 800, f"Page {page}")] for page in range(9)]
    )
    folder, summary = read("a.pdf", content)
    text, page_map = folder.parsed.text.read_text(), PageMap.open(folder.parsed)
    assert [text[page.start_char : page.end_char].split() for page in summary.pages[1:]] == [["clause", letter] for letter in "bcdefghi"]
    assert text.split("\f")[0].split() == ["The", "Lease", "clause", "a", "Page", "0"]
    for page in range(2, 10):
        words = page_map.words_of(page)
        assert [text[row["start"] : row["end"]] for row in words] == ["clause", "bcdefghi"[page - 2]]
        assert np.all((words["top"] > 0.4) & (words["bottom"] < 0.5))


def test_a_mark_for_numbers_in_the_text_itself_is_a_word_like_others() -> None:
    pages = [
        f"#####\nClause {number} says what nobody else says of number {number * 7}.\n# of pages\n\0{number}\0\n" for number in range(1, 13)
    ]
    assert len(list(without_running_lines(pages))) == len(pages)
    assert next(without_running_lines(["#\nOne.\n", "#\nTwo.\n"] * 5)) == (0, len("#\nOne.\n"))
