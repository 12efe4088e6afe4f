"""The span automaton, with a vocabulary of single characters and pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PromptUnreadable
from engine.span import Body, SpanState

PIECES = ["a", "b", " a", " b", " ", ".", "é", "\n", "1"]
LENGTHS = np.array([len(piece.encode()) for piece in PIECES], dtype=np.int32)


def body_of(ids: list[int]) -> Body:
    return Body.of(np.array(ids, dtype=np.int32), "".join(PIECES[id] for id in ids), LENGTHS)


@given(
    ids=st.lists(st.integers(0, len(PIECES) - 1), min_size=1, max_size=30), choices=st.lists(st.integers(0, 99), min_size=1, max_size=12)
)
def test_it_only_makes_what_stands_in_the_body(ids: list[int], choices: list[int]) -> None:
    body = body_of(ids)
    state, taken = SpanState(body), []
    for choice in choices:
        allowed = state.allowed()
        if not len(allowed):
            break
        taken.append(int(allowed[choice % len(allowed)]))
        state.take(taken[-1])
        assert any(ids[place : place + len(taken)] == taken for place in range(len(ids)))
        if state.may_end():
            first, end = state.span()
            start, stop = body.trimmed(first, end)
            assert ids[first:end] == taken
            assert body.text[start:stop] == "".join(PIECES[id] for id in taken).strip()
            assert body.text[start:stop]


def test_it_starts_and_ends_at_words_only() -> None:
    body = body_of([0, 1, 3, 0, 5, 2])  # "ab ba. a"
    assert np.flatnonzero(body.starts).tolist() == [0, 2, 4, 5]
    assert np.flatnonzero(body.ends).tolist() == [2, 4, 5, 6]


def test_it_follows_every_occurrence() -> None:
    state = SpanState(body_of([2, 3, 2, 2, 5]))  # " a b a a."
    state.take(2)
    assert set(state.allowed().tolist()) == {2, 3, 5}
    state.take(2)
    assert state.span() == (2, 4)


def test_it_does_not_cut_a_character() -> None:
    lengths = np.array([1, 1, 1], dtype=np.int32)  # "é" in two tokens of one byte, then "x"
    body = Body.of(np.array([0, 1, 2], dtype=np.int32), "éx", lengths)
    assert body.starts.tolist() == [True, False, False, False]
    assert body.ends.tolist() == [False, False, False, True]


def test_it_refuses_tokens_of_another_text() -> None:
    with pytest.raises(PromptUnreadable, match="Parse the document again"):
        Body.of(np.array([0, 1], dtype=np.int32), "abc", LENGTHS)
