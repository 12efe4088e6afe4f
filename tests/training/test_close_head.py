"""What a close head is trained on: which sentences a question is put to, where answers stand in them, and that a head learns from them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.model.decoder import Decoder
from engine.model.reading_head import ReadingShape
from engine.tokenizer import Tokenizer
from tests.engine.tiny import CONFIG, our_weights, reference_model
from tests.engine.vocabularies import chatml_json
from training.close_corpus import ABSENT, WRONG, CloseTask, close_tasks, put
from training.close_head import encoded, job_of, part, table
from training.read_encodings import ReadEncodings, Reader
from training.read_fit import Settings, fit
from training.scan_sources import Document, Question

LAYERS = (0, 2)
SHAPE = ReadingShape(LAYERS, CONFIG.kv_heads * CONFIG.head_dim, 64, 2)
TOWNS = ["Rome", "Oslo", "Bern", "Lima", "Cairo", "Delhi", "Paris", "Quito"]


def story(number: int) -> Document:
    """Each of some people went to a town of their own; of one it is not said."""
    random_ = random.Random(number)
    towns, text, questions = random_.sample(TOWNS, 4), "", []
    for person, town in zip(("Ann", "Bob", "Cleo", "Dan"), towns, strict=True):
        text += f"In the year {1900 + random_.randrange(99)} {person} went to "
        questions.append(Question((f"Where did {person} go?", f"{person}'s town"), ((len(text), len(text) + len(town)),)))
        text += f"{town} by train. "
    return Document("stories", f"{number}.txt", text, (*questions, Question(("Where did Eve go?",), ())), closed=True)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(chatml_json())


def tasks_of(tokenizer: Tokenizer, documents: int, first: int = 0) -> list[CloseTask]:
    stories = [story(number) for number in range(first, first + documents)]
    return close_tasks(stories, {"stories": 10**6}, {}, random.Random(1), tokenizer)


def test_a_question_is_put_to_the_sentence_that_answers_and_to_some_that_look_alike(tokenizer: Tokenizer) -> None:
    document = story(1)
    made = list(put(document, document.questions, random.Random(1), tokenizer))
    assert len(made) == 5
    for task, question in zip(made, document.questions, strict=True):
        assert task.wording in question.wordings
        right = [shown for shown in task.shown if shown.spans]
        assert len(right) == bool(question.spans)
        assert len(task.shown) == 1 + WRONG
        for shown in right:
            (answer,) = (document.text[slice(*span)] for span in question.spans)
            assert [shown.window.words(*span) for span in shown.spans] == [answer]
            assert shown.window.body.text.endswith("by train.")
        assert len({shown.window.body.text for shown in task.shown}) == len(task.shown)


def test_so_many_questions_of_a_document_and_a_source(tokenizer: Tokenizer) -> None:
    crowded = replace(story(1), questions=story(1).questions * 10)
    few = close_tasks([crowded], {"stories": 1000}, {"stories": 7}, random.Random(1), tokenizer)
    assert len(few) == 7 + ABSENT
    assert len(close_tasks([crowded, story(2)], {"stories": 5}, {"stories": 7}, random.Random(1), tokenizer)) <= 11
    assert close_tasks([crowded], {}, {}, random.Random(1), tokenizer) == []


def test_an_answer_that_stands_in_no_sentence_is_left_out(tokenizer: Tokenizer) -> None:
    document = replace(story(1), questions=(Question(("Which?",), ((10**6, 10**6 + 5),)),))
    assert list(put(document, document.questions, random.Random(1), tokenizer)) == []


def test_a_head_learns_from_windows_that_were_encoded(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """From a random model's values: which of three sentences answers, and with which words, on stories that it was not trained on."""
    config = replace(CONFIG, vocab=len(tokenizer), context=1024)
    decoder = Decoder.from_weights(config, our_weights(reference_model(config), config))
    encodings = ReadEncodings(tmp_path, "tiny", LAYERS, lambda: Reader(decoder, np.array([3, 5, 7], dtype=np.int32), LAYERS))
    train, held = tasks_of(tokenizer, 30), tasks_of(tokenizer, 8, first=100)
    assert encodings.encode([job_of(tokenizer, task) for task in (*train, *held)], lambda *_: None) == len(train) + len(held)
    material = encoded(tokenizer, encodings, train)
    assert len(material.material.tasks) == len(train)
    settings = Settings(steps=150, questions=8, passages=3, whole=1.0, dropout=0.0, rate=3e-3)
    head = fit(material.material, SHAPE, settings, lambda *_: None)
    found = table(head, encoded(tokenizer, encodings, held))["stories"]
    assert (found["questions"], found["absent"]) == (32, 8)
    for name in ("head @1", "EM", "F1", "told apart"):
        assert (found[name] or 0.0) > 0.8, found


def test_what_is_not_encoded_is_left_out(tokenizer: Tokenizer, tmp_path: Path) -> None:
    encodings = ReadEncodings(tmp_path, "tiny", LAYERS, lambda: pytest.fail("nothing is to be read"))
    assert encoded(tokenizer, encodings, tasks_of(tokenizer, 1)).material.tasks == []


def test_a_part_is_numbered_from_one() -> None:
    assert (part("1/2"), part("2/2")) == ((0, 2), (1, 2))
