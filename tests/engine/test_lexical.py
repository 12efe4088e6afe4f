"""The word index beside a BM25 written out in plain Python."""

from __future__ import annotations

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import PromptUnreadable
from engine.lexical import LexicalIndex

CHUNKS = [
    "apple banana cherry",
    "apple apple orange plum grape melon",
    "banana cherry lemon lemon lemon",
    "tenant landlord lease rent deposit",
    "melon plum",
    "kiwi fig date olive",
    "rent rent rent",
    "walnut pecan almond",
]


@pytest.fixture
def index(tmp_path: Path) -> LexicalIndex:
    index = LexicalIndex(tmp_path / "lexical.sqlite")
    index.put("fruit", CHUNKS)
    return index


def bm25(question: str, chunks: list[str], k1: float = 1.2, b: float = 0.75) -> dict[int, float]:
    """Robertson's formula over whole words, as the textbooks have it."""
    words = [chunk.split() for chunk in chunks]
    mean = sum(map(len, words)) / len(words)
    scores: dict[int, float] = {}
    for term in question.split():
        holding = sum(term in chunk for chunk in words)
        idf = math.log((len(chunks) - holding + 0.5) / (holding + 0.5))
        for place, chunk in enumerate(words):
            count = Counter(chunk)[term]
            if count:
                scores[place] = scores.get(place, 0.0) + idf * count * (k1 + 1) / (count + k1 * (1 - b + b * len(chunk) / mean))
    return scores


@pytest.mark.parametrize("question", ["apple", "apple cherry", "lemon banana rent", "plum melon orange", "walnut fig"])
def test_it_scores_as_bm25_does(index: LexicalIndex, question: str) -> None:
    hits = {hit.chunk: hit.score for hit in index.search(question, None, 10)}
    assert hits == pytest.approx(bm25(question, CHUNKS), rel=1e-6)


@pytest.mark.parametrize("question", ["the lessor’s “rent–free” term", 'the lessor\'s "rent-free" term'])
def test_it_searches_words_whatever_signs_are_around_them(tmp_path: Path, question: str) -> None:
    """Curly and straight quotation marks, hyphens and dashes are the same between words."""
    index = LexicalIndex(tmp_path / "lexical.sqlite")
    index.put("lease", ["a lessor’s “rent–free” term", 'a lessor\'s "rent-free" term', "nothing"])
    first, second = index.search(question, None, 10)
    assert first.score == pytest.approx(second.score)


def test_it_gives_the_best_first_and_no_more_than_asked(index: LexicalIndex) -> None:
    hits = index.search("apple cherry rent", None, 3)
    assert len(hits) == 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_it_finds_other_forms_of_a_word(index: LexicalIndex) -> None:
    assert {hit.chunk for hit in index.search("What about renting?", None, 5)} == {3, 6}


def test_it_looks_only_in_the_documents_asked(index: LexicalIndex) -> None:
    index.put("other", ["apple pie"])
    assert {hit.document for hit in index.search("apple", ["other"], 5)} == {"other"}
    assert {hit.document for hit in index.search("apple", None, 5)} == {"fruit", "other"}
    assert index.search("apple", [], 5) == []


def test_it_replaces_and_removes_a_document(index: LexicalIndex) -> None:
    index.put("fruit", ["only pears now"])
    assert index.search("apple", None, 5) == []
    assert [hit.chunk for hit in index.search("pears", None, 5)] == [0]
    index.remove("fruit")
    index.remove("never there")
    assert index.search("pears", None, 5) == []


def test_it_keeps_the_old_rows_when_new_ones_fail(index: LexicalIndex) -> None:
    def texts() -> object:
        yield "pears"
        raise OSError("the file went away")

    with pytest.raises(OSError, match="went away"):
        index.put("fruit", texts())  # type: ignore[arg-type]
    assert index.search("pears", None, 5) == []
    assert len(index.search("apple", None, 5)) == 2


@settings(max_examples=200)
@given(
    question=st.text(st.characters())
    | st.sampled_from(['"', "NEAR(apple banana)", "apple*", "text:apple", "a AND", "😀", "", "-apple", "'; DROP", "\x00"])
)
def test_it_takes_any_question(tmp_path_factory: pytest.TempPathFactory, question: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.sqlite"
    if not path.exists():
        LexicalIndex(path).put("fruit", CHUNKS)
    assert isinstance(LexicalIndex(path).search(question, None, 3), list)


def test_it_searches_stop_words_when_there_is_nothing_else(tmp_path: Path) -> None:
    index = LexicalIndex(tmp_path / "index.sqlite")
    index.put("doubt", ["to be or not to be", "roses"])
    assert [hit.chunk for hit in index.search("To be?", None, 3)] == [0]


def test_it_lets_several_writers_in(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: LexicalIndex(path).put(f"d{number}", ["shared word"] * 20), range(16)))
    assert len(LexicalIndex(path).search("shared", None, 1000)) == 320


def test_it_says_what_to_do_without_an_index(tmp_path: Path) -> None:
    with pytest.raises(PromptUnreadable, match="Parse the documents again"):
        LexicalIndex(tmp_path / "none.sqlite").search("apple", None, 3)
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"this is no database" * 400)
    with pytest.raises(PromptUnreadable, match="parse the documents again"):
        LexicalIndex(damaged).search("apple", None, 3)
