"""Sentences of prose, of hard-wrapped clauses, of lists and of code."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.sentences import MOST_CHARACTERS, sentences


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def test_it_keeps_a_clause_together_over_wrapped_lines() -> None:
    text = (
        "11.1 This Agreement begins on the Effective Date and goes on until it is terminated under this Clause 11.\n"
        "11.2 Either Party may terminate this Agreement for convenience by giving the other at least ninety (90)\n"
        "days' prior written notice, but not before the first anniversary of the Effective Date.\n"
    )
    assert cut(text) == [text.split("\n")[0], text[text.index("11.2") :].strip()]


def test_it_parts_sentences_and_not_abbreviations() -> None:
    text = "The fee is due to Acme Inc. Shares stay with J. Smith. Late payment bears interest! Does it? Yes, it always does."
    assert cut(text) == [
        "The fee is due to Acme Inc. Shares stay with J. Smith.",
        "Late payment bears interest!",
        "Does it? Yes, it always does.",
    ]


@pytest.mark.parametrize("mark", ["(a) ", "- ", "* ", "2.3 ", "    "])
def test_it_gives_each_item_of_a_list_alone(mark: str) -> None:
    text = f"{mark}the first thing that the party shall do\n{mark}the second thing that the party shall do"
    assert len(cut(text)) == 2


def test_it_joins_a_heading_to_what_follows_it() -> None:
    assert cut("15.1 Term.\nThe term of this Agreement is five years.") == ["15.1 Term.\nThe term of this Agreement is five years."]


def test_it_gives_lines_of_code_where_they_end_early() -> None:
    text = "FREQUENT_DISCOUNT = 0.15\nMINIMUM = 40\n\n\ndef fee(journey: Journey, earlier_this_month: int) -> int:\n    return 40"
    assert "def fee(journey: Journey, earlier_this_month: int) -> int:" in cut(text)


@given(st.text(alphabet=st.sampled_from("ab .;?!\n\tAZ(1)“é\f"), max_size=400), st.sampled_from([1, 7]))
def test_it_loses_no_word_and_repeats_none(text: str, wide: int) -> None:
    text = "".join(character * (wide if character.isalnum() else 1) for character in text)
    pieces = sentences(text)
    assert all(start < end <= len(text) for start, end in pieces)
    assert all(before[1] <= after[0] for before, after in pairwise(pieces))
    assert "".join("".join(text[start:end].split()) for start, end in pieces) == "".join(text.split())


def test_it_cuts_what_is_too_long_for_a_quote() -> None:
    pieces = sentences("word " * 1000)
    assert max(end - start for start, end in pieces) <= MOST_CHARACTERS
    assert sentences("x" * 2000)[0] == (0, MOST_CHARACTERS)
