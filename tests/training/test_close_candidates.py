"""Sheets of the sentences that a reading head likes best: a scripted head, passages of five sentences each."""

from __future__ import annotations

import random
from functools import partial

import pytest
import torch
from torch import Tensor

from engine.close_way import CLOSE_SENTENCES
from engine.model.reading_head import Reading, ReadingHead, ReadingShape, Seen, Weights
from engine.span import Body
from engine.tokenizer import Tokenizer
from tests.engine.vocabularies import chatml_json
from training.close_candidates import liked_tasks
from training.close_corpus import CloseTask
from training.read_corpus import Task
from training.read_encodings import State
from training.read_fit import Material

WORDING = "Which fruit?"
FRUITS = ("apples", "pears", "plums", "cherries", "quinces")
PASSAGES = 4


def text(place: int) -> str:
    return "".join(f"Number {place} of them sells {fruit} all the year. " for fruit in FRUITS)


class Scripted(ReadingHead):
    """Likes a passage by the number in its state, and in it the words around one token."""

    def __init__(self, favourites: dict[int, int]) -> None:
        super().__init__(ReadingShape((0,), 1, 32, 1), Weights(sentence=(0.0, 0.0, 1.0, 1.0)))
        self.favourites = favourites

    def forward(self, seen: Seen) -> Reading:
        place = int(seen.chunk[0, 0])
        scores = -(torch.arange(len(seen.chunk)) - self.favourites[place]).abs().float()
        return Reading(torch.tensor(float(place)), scores.log_softmax(0), scores.log_softmax(0))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(chatml_json())


def body(tokenizer: Tokenizer, place: int) -> Body:
    return Body.of(tokenizer.encode(text(place)), text(place), tokenizer.byte_lengths)


def tokens(tokenizer: Tokenizer, place: int, fruit: str) -> tuple[int, int]:
    """First and last of the fruit's."""
    own, start = body(tokenizer, place), text(place).index(fruit)
    inside = ((own.offsets[1:] > start) & (own.offsets[:-1] < start + len(fruit))).nonzero()[0].tolist()
    return inside[0], inside[-1]


def put(tokenizer: Tokenizer, spans: dict[int, tuple[tuple[int, int], ...]], favourites: dict[int, int]) -> list[CloseTask]:
    places = range(PASSAGES)
    sizes = {place: len(body(tokenizer, place).ids) for place in places}
    states = {place: State(torch.full((size, 1), float(place)), {WORDING: torch.zeros(2, 1)}) for place, size in sizes.items()}
    task = Task("fruits", WORDING, 0, tuple(places), spans, {})

    def nothing(place: int, _: str) -> Tensor:
        return torch.zeros(sizes[place], dtype=torch.bool)

    material = Material([task], states, dict.fromkeys(places, 0), nothing, {WORDING: 1})
    return list(liked_tasks(Scripted(favourites), material, partial(body, tokenizer), tokenizer, random.Random(1)))


def texts(task: CloseTask) -> list[str]:
    return [each.window.body.text for each in task.shown]


def test_a_question_is_put_to_the_sentences_of_the_best_passages_that_the_head_likes(tokenizer: Tokenizer) -> None:
    answer = tokens(tokenizer, 3, "plums")
    (task,) = put(tokenizer, {3: (answer,)}, {place: tokens(tokenizer, place, "plums")[0] for place in range(PASSAGES)})
    assert (task.source, task.wording, len(task.shown)) == ("fruits", WORDING, CLOSE_SENTENCES)
    assert not any("Number 0" in said for said in texts(task)), "three passages are looked into"
    (right,) = [each for each in task.shown if each.spans]
    assert right.window.body.text.rstrip().endswith("sells plums all the year.")
    assert [right.window.words(*span) for span in right.spans] == ["plums"]


def test_a_sentence_that_answers_takes_the_last_place_where_none_is_liked(tokenizer: Tokenizer) -> None:
    """It stands in the passage that the head likes least."""
    favourites = dict.fromkeys(range(PASSAGES), 0)
    (task,) = put(tokenizer, {0: (tokens(tokenizer, 0, "quinces"),)}, favourites)
    assert len(task.shown) == CLOSE_SENTENCES
    (right,) = [each for each in task.shown if each.spans]
    assert "Number 0" in right.window.body.text
    assert [right.window.words(*span) for span in right.spans] == ["quinces"]
    assert sum("Number 0" in said for said in texts(task)) == 1


def test_a_question_without_an_answer_is_put_to_what_looks_most_like_one(tokenizer: Tokenizer) -> None:
    (task,) = put(tokenizer, {}, dict.fromkeys(range(PASSAGES), 0))
    assert len(task.shown) == CLOSE_SENTENCES
    assert not task.answered


def test_the_right_one_is_not_always_at_the_same_place(tokenizer: Tokenizer) -> None:
    found = set()
    for seed in range(8):
        answer = tokens(tokenizer, 3, FRUITS[seed % 5])
        (task,) = put(tokenizer, {3: (answer,)}, dict.fromkeys(range(PASSAGES), 2 + seed))
        found.add(next(number for number, each in enumerate(task.shown) if each.spans))
    assert len(found) > 1


def test_an_answer_that_is_longer_than_its_sentences_is_left_out(tokenizer: Tokenizer) -> None:
    whole = 0, len(body(tokenizer, 0).ids) - 1
    assert put(tokenizer, {0: (whole,)}, dict.fromkeys(range(PASSAGES), 0)) == []
