"""Questions put to passages: the answer's tokens are the answer's characters, and what looks alike is among the passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.chat_format import ChatFormat
from engine.loading.bundled import fetch
from engine.model.reading_head import Weights
from engine.opening import open_model
from engine.tokenizer import Tokenizer
from tests.engine.vocabularies import chatml_json
from training.read_calibrate import Outcome, fitted, measured
from training.read_candidates import Candidates
from training.read_corpus import Amounts, ReadCorpus, questions_of, read_corpus
from training.read_measure import told_apart
from training.read_sources import TOGETHER, gathered
from training.scan_corpus import cut
from training.scan_sources import Document, Question

ROOMS = [f"The parties shall meet in room {number} on the first day of month {number}, and not before." for number in range(1, 60)]
TEXT = "\n\n".join(ROOMS) + "\n"


def asked(number: int) -> Question:
    answer = f"on the first day of month {number},"
    start = TEXT.index(answer)
    return Question((f"When do the parties meet in room {number}?",), ((start, start + len(answer)),))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(chatml_json())


def made(tokenizer: Tokenizer, scratch: Path, questions: Sequence[Question]) -> ReadCorpus:
    document = Document("toy", "rooms.txt", TEXT, tuple(questions), closed=True)
    return read_corpus(tokenizer, [document, document], Amounts(alike=2, others=1), 1, scratch)


def test_the_span_s_tokens_are_the_answer(tokenizer: Tokenizer, tmp_path: Path) -> None:
    corpus = made(tokenizer, tmp_path, [asked(number) for number in (2, 17, 58)])
    assert len(corpus.tasks) == 6
    for task in corpus.tasks:
        number = task.wording.split()[-1].rstrip("?")
        (right,) = task.spans
        body = corpus.body(right, tokenizer)
        ((first, last),) = task.spans[right]
        start, end = body.trimmed(first, last + 1)
        assert body.text[start:end] == f"on the first day of month {number},"


def test_it_is_put_to_passages_of_its_own_document_that_look_alike(tokenizer: Tokenizer, tmp_path: Path) -> None:
    absent = Question(("When do the parties meet in room 99?",), ())
    corpus = made(tokenizer, tmp_path, [asked(3), absent])
    half = len(corpus.passages) // 2
    for task in corpus.tasks:
        assert {place // half for place in task.passages} == {task.document}
        assert len(set(task.passages)) == len(task.passages) == 4
    assert [len(task.spans) for task in corpus.tasks] == [1, 0, 1, 0]
    jobs = questions_of(ChatFormat(tokenizer), corpus)
    assert all(task.wording in jobs[place] for task in corpus.tasks for place in task.passages)


def test_what_is_asked_of_a_document_does_not_depend_on_the_others(tokenizer: Tokenizer, tmp_path: Path) -> None:
    one = Document("toy", "rooms.txt", TEXT, tuple(asked(number) for number in range(2, 40)), closed=True)
    other = replace(one, name="halls.txt")
    amounts = Amounts(present=9, alike=2, others=1)
    alone, last = (read_corpus(tokenizer, some, amounts, 1, tmp_path / str(len(some))) for some in ([one], [other, one]))
    first = len(last.passages) // 2
    assert [(task.wording, [place - first for place in task.passages]) for task in last.tasks if task.document == 1] == [
        (task.wording, list(task.passages)) for task in alone.tasks
    ]
    assert [task.wording for task in last.tasks if task.document == 0] != [task.wording for task in alone.tasks]


def test_a_clause_is_asked_in_the_last_wording_and_others(tokenizer: Tokenizer, tmp_path: Path) -> None:
    one = asked(3)
    clause = replace(one, wordings=("When?", "On what day?", "Which day is it?", "Day of the meeting in room 3"))
    document = Document("toy", "rooms.txt", TEXT, (clause, one), closed=True)
    amounts = Amounts(wordings=2, alike=2, others=0)
    seen = {
        tuple(task.wording for task in read_corpus(tokenizer, [document], amounts, seed, tmp_path / str(seed)).tasks) for seed in range(20)
    }
    of_the_clause = [{each for each in wordings if each in clause.wordings} for wordings in seen]
    assert all(len(each) == 2 and clause.wordings[-1] in each for each in of_the_clause)
    assert set.union(*of_the_clause) == set(clause.wordings)
    assert all(wordings.count(one.wordings[0]) == 1 for wordings in seen), "what has one wording is asked once"


def test_what_looks_alike_may_be_said_by_another(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Here it is the last passages, whatever their words."""
    document = Document("toy", "rooms.txt", TEXT, (asked(3), Question(("When do the parties meet in room 99?",), ())), closed=True)
    amounts, told = Amounts(alike=2, others=0), list[tuple[str, list[str]]]()

    def last(document: Document, wordings: Sequence[str]) -> list[list[int]]:
        told.append((document.name, list(wordings)))
        return [[9, 8, 7, 6, 5, 4] for _ in wordings]

    corpus = read_corpus(tokenizer, [document], amounts, 1, tmp_path, last)
    there, absent = corpus.tasks
    (right,) = there.spans
    assert set(there.passages) - {right} < {9, 8, 7, 6}
    assert set(absent.passages) < {9, 8, 7, 6, 5, 4}
    assert (len(there.passages), len(absent.passages)) == (3, 3)
    assert told == [("rooms.txt", [there.wording, absent.wording])]


@pytest.mark.weights
def test_what_the_engine_locates_is_kept(tmp_path: Path) -> None:
    text = f"{TEXT}\nThe ferry to Aalen leaves at nine from the north pier.\n\n{TEXT}"
    document = Document("toy", "rooms.txt", text, (), closed=True, paged=True)
    told = list[tuple[str, int]]()
    candidates = Candidates(open_model(fetch()), tmp_path / "kept", lambda name, size: told.append((name, size)))
    wordings = ["From which pier does the ferry leave?", "At what time does the boat to Aalen depart?"]
    located = candidates(document, wordings)
    passages = cut(candidates.model.tokenizer, document)
    assert located is not None
    for order in located:
        assert len(set(order)) == len(order) > 1
        assert "The ferry to Aalen" in document.text[slice(*passages[order[0]].span)]
    assert candidates(document, wordings) == located
    assert told == [("rooms.txt", len(text))], "the second time it was kept"
    assert candidates(document, wordings[:1]) == located[:1]
    assert len(told) == 2
    assert candidates(replace(document, paged=False), wordings) is None


def test_search_passages_are_put_together() -> None:
    web = [
        Document("web", f"{number}", f"Fact {number}.\n", (Question(("?",), ((5, 5 + len(str(number))),)),), False) for number in range(25)
    ]
    other = Document("toy", "rooms.txt", TEXT, (), closed=True)
    first, *found = gathered([*web, other])
    assert first == other
    assert [len(document.questions) for document in found] == [TOGETHER, 25 - TOGETHER]
    assert [found[1].text[slice(*question.spans[0])] for question in found[1].questions] == [str(number) for number in range(TOGETHER, 25)]


def test_weights_follow_what_tells() -> None:
    """Only the head tells here which place answers, and whether any does."""
    random_ = np.random.default_rng(1)
    outcomes = []
    for number in range(80):
        sentences = random_.normal(size=(5, 4))
        features = random_.normal(size=(6, 4))
        right = np.zeros(6, dtype=bool)
        if number % 2:
            features[2, 0] += 6
            right[2] = True
        outcomes.append(Outcome("toy", 0, bool(number % 2), features, right, sentences, sentences[:, 2] > 1))
    weights = fitted(outcomes)
    assert weights.head > 3 * max(map(abs, (weights.lexical, weights.attention, weights.likelihood)))
    assert weights.sentence[2] > 3 * max(abs(weights.sentence[number]) for number in (0, 1, 3))
    figures = measured(outcomes, weights)
    assert figures["@1, fitted"] == 1.0
    assert isinstance(figures["not found recall"], float)
    assert figures["not found recall"] > 0.9
    assert isinstance(weights, Weights)


def test_odds_tell_found_from_absent() -> None:
    assert told_apart([1.0, 2.0], [0.0, 1.5]) == 0.75
    assert told_apart([], [1.0]) is None
