"""Quotes are slices of the source or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.quote import beside, holds, locate_quote, occurrences, sentence_around

TEXT = "Intro line.\nThe café 😀 opened in 1987. It closed in 1999! Was it missed?\n\nA new paragraph follows, without an end"


def test_it_finds_a_quote_exactly() -> None:
    assert locate_quote(TEXT, "café 😀") == (16, 22)
    assert TEXT[16:22] == "café 😀"


@pytest.mark.parametrize("quote", ["cafe 😀", "", "opened  in", "Opened"])
def test_it_finds_nothing_that_is_almost_there(quote: str) -> None:
    assert locate_quote(TEXT, quote) is None


def test_it_prefers_the_occurrence_near_the_hint() -> None:
    assert list(occurrences("aXaXa", "a")) == [0, 2, 4]
    assert list(occurrences("aaa", "aa")) == [0, 1]
    assert locate_quote("aXaXa", "a", 3) in {(2, 3), (4, 5)}
    assert locate_quote("aXaXa", "a", 4) == (4, 5)


def test_an_answer_in_a_documents_words_rests_on_the_quotes_that_hold_them() -> None:
    assert holds("It opened\n  in 1987.", "opened in 1987")
    assert beside("opened in 1987", ["It opened\nin 1987.", "It closed in 1999!", "Since it opened in 1987, nobody came."]) == [
        False,
        True,
        False,
    ]
    assert beside("Nobody knows [1].", ["It opened in 1987.", "It closed in 1999!"]) == [False, False], "it rests on all"
    assert beside("1987", []) == []


@pytest.mark.parametrize(
    ("span", "sentence"),
    [
        ("1987", "The café 😀 opened in 1987."),
        ("closed", "It closed in 1999!"),
        ("missed", "Was it missed?"),
        ("Intro", "Intro line."),
        ("paragraph", "A new paragraph follows, without an end"),
        ("1987. It closed", "The café 😀 opened in 1987. It closed in 1999!"),
    ],
)
def test_it_gives_the_sentence_around(span: str, sentence: str) -> None:
    start = TEXT.index(span)
    first, last = sentence_around(TEXT, start, start + len(span), 600)
    assert TEXT[first:last] == sentence


def test_it_cuts_a_long_sentence_at_blanks() -> None:
    text = "word " * 400
    first, last = sentence_around(text, 1000, 1004, 100)
    assert last - first <= 100
    assert first <= 1000 < 1004 <= last
    assert set(text[first:last].split()) == {"word"}


@given(
    text=st.text(st.sampled_from("aB. \n!é😀"), max_size=80),
    cut=st.tuples(st.integers(0, 80), st.integers(1, 80)),
    limit=st.integers(1, 60),
)
def test_it_always_holds_the_span_and_keeps_the_limit(text: str, cut: tuple[int, int], limit: int) -> None:
    start, end = min(cut[0], len(text)), min(sum(cut), len(text))
    first, last = sentence_around(text, start, end, limit)
    assert 0 <= first <= start <= end <= last <= len(text)
    assert last - first <= max(limit, end - start)
