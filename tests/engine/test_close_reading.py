"""Sentences read once more after their question: the windows, the state that the head sees, its file, and answers that come from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.asked import Asked
from engine.cache.store import ChunkStore
from engine.calibration import LOCATE_CHUNKS
from engine.close_reading import BEFORE_CHARACTERS, LONGEST_CHARACTERS, Asking, CloseReader, Window
from engine.close_way import CloseWay
from engine.engine import Engine
from engine.events import AnswerEvent, AnswerOptions, Done, Quote, Token
from engine.head_way import MOST_SENTENCES, bodies
from engine.loading.reading_head import read_close_head
from engine.model.attention import Segment
from engine.model.reading_head import CloseHead, CloseWeights, ReadingShape, Seen, Weights
from engine.opening import Model, open_model
from engine.prompt import Prompt
from engine.runs import Spent
from engine.sentences import sentences
from engine.shared_words import SharedWords
from engine.steps import run
from engine.tokenizer import Tokenizer
from tests.engine.prompts import make_prompt
from tests.engine.test_reading_head import BODIES, QUESTION, head, write
from tests.engine.tiny import CONFIG
from tests.engine.vocabularies import chatml_json

TEXT = "The lease begins in May.\n\nIt lasts five years; any notice is in writing. The rent is 12,400 euros, in advance."


@pytest.fixture(scope="module")
def bare() -> Tokenizer:
    return Tokenizer(chatml_json())


def test_a_window_is_a_sentence_with_what_stands_before_it(bare: Tokenizer) -> None:
    *_, (start, end) = sentences(TEXT)
    window = Window.of(TEXT, start, end, bare)
    assert window.body.text == TEXT[window.start : end]
    assert window.body.text.startswith("The lease"), "all of it is near enough"
    assert bare.byte_lengths[window.body.ids[: window.before]].sum() == len(TEXT[window.start : start].rstrip().encode())
    assert window.words(0, len(window.body.ids) - window.before - 1) == "The rent is 12,400 euros, in advance."
    assert Window.of(TEXT, 0, 24, bare).before == 0


def test_a_window_begins_with_a_word_and_is_not_longer_than_can_be_read(bare: Tokenizer) -> None:
    text = "word " * 1000
    window = Window.of(text, 2000, 4000, bare)
    assert 0 < 2000 - window.start <= BEFORE_CHARACTERS
    assert window.body.text.startswith("word ")
    assert len(window.body.text) <= BEFORE_CHARACTERS + LONGEST_CHARACTERS
    unbroken = Window.of("x" * 3000, 2000, 2100, bare)
    assert (unbroken.start, unbroken.before) == (2000, 0), "no word begins before it"


def test_a_question_stands_with_its_own_words_known(bare: Tokenizer) -> None:
    asking = Asking.of("How much is it?", bare)
    said = b"".join(map(bare.token_bytes, asking.ids.tolist())).decode()
    assert said == "Question: How much is it?\n\nText:\n"
    assert b"".join(map(bare.token_bytes, asking.own.tolist())).decode() == " How much is it?"


@pytest.mark.parametrize("metadata", [{}, {"weights": '{"sentence": [1, 2, 3, 4], "found": [0.5, 0.25], "bias": -1}'}])
def test_its_file_has_its_weights(tmp_path: Path, metadata: dict[str, str]) -> None:
    made = head()
    made.weights = CloseWeights()  # type: ignore[assignment]
    found = read_close_head("abc", CONFIG, path=write(tmp_path / "head", made, **metadata))
    assert found is not None
    assert found.weights == (CloseWeights((1, 2, 3, 4), (0.5, 0.25), -1) if metadata else CloseWeights())
    assert read_close_head("abd", CONFIG, path=tmp_path / "head") is None


# --- answers ---


@pytest.fixture(scope="module")
def model(weights_folder: Path) -> Model:
    """The bundled model with random heads, which say of everything that it answers."""
    opened = open_model(weights_folder)
    config = opened.decoder.config
    shape = ReadingShape((3, 20), config.kv_heads * config.head_dim, 64, 1)
    return replace(opened, reading=head(shape, Weights(bias=3.0)), close=CloseHead(head(shape, seed=1), CloseWeights(bias=3.0)))


@pytest.fixture(scope="module")
def close(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(model, ChunkStore(tmp_path_factory.mktemp("store")), "spans")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def prompt(close: Engine, tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    return make_prompt(tmp_path_factory.mktemp("prompt"), close.tokenizer, {"ship": BODIES})


def way_of(engine: Engine) -> CloseWay:
    assert isinstance(engine.spans, CloseWay)
    return engine.spans


def answered(engine: Engine, prompt: Prompt, options: AnswerOptions | None = None) -> list[AnswerEvent]:
    return list(engine.answer(prompt, QUESTION, options=options))


@pytest.mark.weights
def test_the_head_sees_what_the_model_alone_makes_of_question_and_window(close: Engine, model: Model, prompt: Prompt) -> None:
    """Read at once, one after the other, without the engine's caches and steps."""
    way, decoder = way_of(close), close.decoder
    hits = way.hits(prompt, QUESTION, LOCATE_CHUNKS)
    _, read = run(way.read_places(prompt, hits, QUESTION, Spent(), LOCATE_CHUNKS, 8), decoder)
    found = run(way.read_close(QUESTION, bodies(Asked(prompt, QUESTION, AnswerOptions()), read)), decoder)
    assert 1 < len(found) <= MOST_SENTENCES
    assert model.close
    asking, prefix, shared = Asking.of(QUESTION, close.tokenizer), close.chat.prefix, SharedWords(close.tokenizer)
    for each in found:
        ids = each.window.body.ids
        cache = decoder.new_cache()
        whole = np.concatenate([prefix, asking.ids, ids])
        with torch.inference_mode():
            decoder.read(torch.from_numpy(whole), [Segment(cache, len(whole))])
            values = cache.values(model.close.head.shape.layers, len(prefix) + asking.first)
            marks = torch.from_numpy(shared.marked(ids, asking.own))
            question, own = values[: -len(ids)], values[-len(ids) :]
            expected = model.close.head(Seen(own, question, marks, each.window.before, asking.words))
        assert each.answers == pytest.approx(float(expected.answers), abs=0.05)
        torch.testing.assert_close(each.reading.starts, expected.starts, atol=0.1, rtol=0.1)
        assert each.window.body.text.endswith(each.sentence.text[each.sentence.start : each.sentence.end])


@pytest.mark.weights
def test_nothing_is_read_for_no_sentence(close: Engine, model: Model) -> None:
    assert model.close
    assert run(CloseReader(model.close.head, close.tokenizer).read(way_of(close)._reader, [], QUESTION), close.decoder) == []


@pytest.mark.weights
def test_an_answer_is_words_of_the_quoted_sentence_that_scores_best(close: Engine, prompt: Prompt) -> None:
    events = answered(close, prompt)
    tokens, (quote,), (done,) = ([e for e in events if isinstance(e, kind)] for kind in (Token, Quote, Done))
    assert done.found
    assert done.answer == "".join(token.text for token in tokens)
    assert done.answer in " ".join(quote.text.split())
    assert quote.verified
    assert prompt.document("ship").text()[quote.start_char : quote.end_char] == quote.text


@pytest.mark.weights
def test_it_counts_what_its_weights_say(model: Model, prompt: Prompt, tmp_path: Path) -> None:
    """With its own odds alone, and turned around, another sentence is quoted; a bias below the threshold finds nothing."""
    assert model.close
    quotes, sure = [], []
    for number, weights in enumerate([CloseWeights((0, 0, 0, 1), bias=9), CloseWeights((0, 0, 0, -1), bias=9), CloseWeights(bias=-99)]):
        engine = Engine(replace(model, close=model.close._replace(weights=weights)), ChunkStore(tmp_path / str(number)), "spans")
        events = answered(engine, prompt)
        engine.close()
        quotes += [event.text for event in events if isinstance(event, Quote)]
        sure += [event.confidence for event in events if isinstance(event, Done)]
    assert len(set(quotes)) == 2
    assert sure[0] > 0.9 > 0.1 > sure[2]


@pytest.mark.weights
def test_below_the_threshold_nothing_is_said(close: Engine, prompt: Prompt) -> None:
    sure, unsure = (answered(close, prompt, AnswerOptions(threshold=at))[-1] for at in (0.0, 1.01))
    assert isinstance(sure, Done)
    assert isinstance(unsure, Done)
    assert (sure.found, unsure.found, unsure.answer) == (True, False, "")
    assert sure.confidence == unsure.confidence
