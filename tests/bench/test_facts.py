"""The hidden facts are what they are said to be. (bench/facts.py)"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.facts import FACTS, GROUPS, Fact, groups
from engine.lexical import LexicalIndex, terms


def test_there_are_facts_enough_and_no_two_alike() -> None:
    assert len(FACTS) >= 40
    assert len({line for fact in FACTS for line in (fact.text, fact.shared, fact.other)}) == 3 * len(FACTS)
    assert [len(group) for group in groups()] == list(GROUPS)
    assert [fact for group in groups() for fact in group] == list(FACTS)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.text[:24])
def test_one_question_leads_to_a_fact_by_its_words_and_the_other_does_not(fact: Fact, tmp_path: Path) -> None:
    index = LexicalIndex(tmp_path / "words.sqlite3")
    index.put("fact", [fact.text])
    assert len(set(terms(fact.shared)) & set(terms(fact.text))) >= 2
    assert index.search(fact.shared, None, 1)
    assert not index.search(fact.other, None, 1), "it shares a word, or a word's stem"
