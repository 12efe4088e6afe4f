"""Sentences read once more after their question: the windows, the sheet, what the close layers see, and answers that come from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.asked import Asked
from engine.cache.store import ChunkStore
from engine.calibration import LOCATE_CHUNKS, LOOK_CHUNKS, SPAN_TOKENS
from engine.close_reading import BEFORE_CHARACTERS, LONGEST_CHARACTERS, CloseReader, CloseSentence, Sheet, Window
from engine.close_way import CLOSE_SENTENCES, MOST_QUOTES, CloseWay
from engine.engine import Engine
from engine.events import AnswerEvent, AnswerOptions, Done, Quote, Token
from engine.head_way import bodies
from engine.loading.load import load_model
from engine.model.attention import Segment
from engine.model.close_layers import LENGTHS, PAIRED, CloseLayers, CloseModel, CloseReading, CloseShape, CloseWeights
from engine.model.reading_head import ReadingShape, Weights
from engine.opening import Model, open_model
from engine.prompt import Prompt
from engine.read import Sentence
from engine.runs import Spent
from engine.sentences import sentences
from engine.steps import Steps, run
from engine.tokenizer import Tokenizer
from tests.engine.prompts import make_prompt
from tests.engine.test_reading_head import BODIES, QUESTION, head
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


def test_a_sheet_has_the_question_and_each_sentence_at_its_place(bare: Tokenizer) -> None:
    windows = [Window.of(TEXT, start, end, bare) for start, end in sentences(TEXT)]
    sheet = Sheet.of("How much is it?", windows, bare, 7)
    said = b"".join(map(bare.token_bytes, sheet.ids[1:].tolist())).decode()
    assert sheet.ids[0] == 7
    assert said == "Question: How much is it?\n\nText:" + "".join(f"\n\n{window.body.text}" for window in windows)
    assert len(sheet.sentences) == len(windows)
    for (first, end), (start, stop) in zip(sheet.sentences, sentences(TEXT), strict=True):
        assert b"".join(map(bare.token_bytes, sheet.ids[first:end].tolist())).decode().strip() == TEXT[start:stop]


# --- answers ---


@pytest.fixture(scope="module")
def model(weights_folder: Path) -> Model:
    """The bundled model with a random reading head, which says of everything that it answers, and close layers with nothing added."""
    opened, loaded = open_model(weights_folder), load_model(weights_folder)
    config = opened.decoder.config
    shape = ReadingShape((3, 20), config.kv_heads * config.head_dim, 64, 1)
    torch.manual_seed(1)
    own = {"norm.weight": torch.ones(config.hidden), "tokens.weight": torch.randn(3, config.hidden) * 0.1, "tokens.bias": torch.zeros(3)}
    own |= {f"{name}.weight": torch.randn(PAIRED, config.hidden) * 0.1 for name in ("begun", "ended")} | {"lengths": torch.zeros(LENGTHS)}
    own |= {"answers.weight": torch.randn(1, config.hidden) * 0.1, "answers.bias": torch.zeros(1)}
    layers = CloseLayers.from_weights(CloseShape(4, 3), config, loaded.decoder, own)
    return replace(opened, reading=head(shape, Weights(bias=3.0)), close=CloseModel(layers, CloseWeights()))


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
def test_the_close_layers_see_what_the_model_makes_of_the_sheet(close: Engine, model: Model, prompt: Prompt) -> None:
    """The whole sheet at once, without the engine's steps."""
    way, decoder = way_of(close), close.decoder
    hits = way.hits(prompt, QUESTION, LOCATE_CHUNKS)
    _, read = run(way.read_places(prompt, hits, QUESTION, Spent(), LOCATE_CHUNKS, 8), decoder)
    shown = bodies(Asked(prompt, QUESTION, AnswerOptions()), read)
    found = run(way.read_close(QUESTION, shown), decoder)
    assert 1 < len(found) <= CLOSE_SENTENCES
    assert model.close
    best = way.sentences(QUESTION, shown)[:CLOSE_SENTENCES]
    assert {(each.sentence.start, each.sentence.end) for each in found} == {(each.start, each.end) for each in best}
    windows = [Window.of(each.text, each.start, each.end, close.tokenizer) for each in best]
    sheet, below = Sheet.of(QUESTION, windows, close.tokenizer, int(close.chat.prefix[0])), model.close.layers.shape.first
    segments = [Segment(decoder.new_cache(below=below), len(sheet.ids))]
    expected = model.close.layers(decoder.inputs_of((below,), torch.from_numpy(sheet.ids), segments, normed=False), sheet.sentences)
    for each in found:
        (number,) = [
            k for k, sentence in enumerate(best) if sentence.start == each.sentence.start and sentence.place is each.sentence.place
        ]
        assert each.answers == pytest.approx(float(expected[number].answers), abs=0.01)
        torch.testing.assert_close(each.reading.spans, expected[number].spans, atol=0.05, rtol=0.01)
        assert each.window.body.text.endswith(each.sentence.text[each.sentence.start : each.sentence.end])


@pytest.mark.weights
def test_nothing_is_read_for_no_sentence(close: Engine, model: Model) -> None:
    assert model.close
    reader = CloseReader(close.decoder, model.close.layers, close.tokenizer, 1)
    assert run(reader.read([], QUESTION), close.decoder) == []


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
    """By its own odds alone, and by those turned around, another sentence is quoted."""
    assert model.close
    quotes = []
    for number, weights in enumerate([CloseWeights(0, 0, 0, 1), CloseWeights(0, 0, 0, -1)]):
        with closing(
            Engine(replace(model, close=model.close._replace(weights=weights)), ChunkStore(tmp_path / str(number)), "spans")
        ) as engine:
            quotes += [event.text for event in answered(engine, prompt) if isinstance(event, Quote)]
    assert len(set(quotes)) == 2


@pytest.mark.weights
def test_sentences_hardly_worse_than_the_best_are_quoted_beside_it(model: Model, close: Engine, prompt: Prompt, tmp_path: Path) -> None:
    """As far behind as the weights allow, in order, and no more than MOST_QUOTES; the words that answer are the best one's."""
    assert model.close
    way = way_of(close)
    hits = way.hits(prompt, QUESTION, LOCATE_CHUNKS)
    _, read = run(way.read_places(prompt, hits, QUESTION, Spent(), LOCATE_CHUNKS, LOOK_CHUNKS), close.decoder)
    ranked = run(way.read_close(QUESTION, bodies(Asked(prompt, QUESTION, AnswerOptions()), read)), close.decoder)
    first, second, *_ = (each.score(model.close.weights) for each in ranked)
    told = []
    for number, also in enumerate([0.9 * (first - second), 1.1 * (first - second), 1e6]):
        weights = replace(model.close.weights, also=also)
        with closing(
            Engine(replace(model, close=model.close._replace(weights=weights)), ChunkStore(tmp_path / str(number)), "spans")
        ) as engine:
            told.append(answered(engine, prompt))
    quotes = [[event.text for event in events if isinstance(event, Quote)] for events in told]
    texts = [each.sentence.text[each.sentence.start : each.sentence.end] for each in ranked]
    assert [texts[:1], texts[:2], texts[:MOST_QUOTES]] == [quotes[0], quotes[1][:2], quotes[2]]
    assert len({events[-1].answer for events in told if isinstance(events[-1], Done)}) == 1


def sure_of(model: Model, chunk: float, sentence: float) -> Model:
    """With a head whose odds for any chunk are `chunk`, and close layers whose odds for any sentence are `sentence`."""
    assert model.close
    assert model.reading
    layers, reading = deepcopy(model.close.layers), deepcopy(model.reading)
    torch.nn.init.zeros_(layers.answers.weight)
    torch.nn.init.constant_(layers.answers.bias, sentence)
    reading.weights = Weights(head=0.0, bias=chunk)
    return replace(model, reading=reading, close=CloseModel(layers, CloseWeights(say=0.5)))


@pytest.mark.weights
@pytest.mark.parametrize(
    ("chunk", "sentence", "found", "odds"),
    [
        (-1.0, 4.0, True, 1.0),
        (-1.0, 1.0, False, -0.5),
        (-1.0, -4.0, False, -1.0),
        (1.0, -4.0, True, 1.0),
        (1.0, 4.0, True, 3.0),
        (-4.0, 40.0, False, -4.0),
        (-2.9, 40.0, True, 0.1),
    ],
)
def test_a_yes_of_the_close_layers_adds_to_the_odds_and_a_no_takes_nothing(
    model: Model, prompt: Prompt, tmp_path: Path, chunk: float, sentence: float, found: bool, odds: float
) -> None:
    """Half of it, as the weights say here, and of a very sure one no more than 3."""
    with closing(Engine(sure_of(model, chunk, sentence), ChunkStore(tmp_path), "spans")) as engine:
        done = answered(engine, prompt)[-1]
    assert isinstance(done, Done)
    assert (done.found, done.confidence) == (found, pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-4))
    assert bool(done.answer) == found


@pytest.mark.weights
@pytest.mark.parametrize(("chunk", "sentence"), [(-1.0, 4.0), (-1.0, -4.0), (-4.0, 9.0), (2.0, 1.0)])
def test_confidence_is_the_same_whatever_the_threshold(model: Model, prompt: Prompt, tmp_path: Path, chunk: float, sentence: float) -> None:
    with closing(Engine(sure_of(model, chunk, sentence), ChunkStore(tmp_path), "spans")) as engine:
        told = [answered(engine, prompt, AnswerOptions(threshold=at))[-1] for at in (0.0, 0.3, 0.5, 0.9, 1.01)]
    confidences = [done.confidence for done in told if isinstance(done, Done)]
    assert confidences == [confidences[0]] * 5
    assert [done.found for done in told if isinstance(done, Done)] == [confidences[0] >= at for at in (0.0, 0.3, 0.5, 0.9, 1.01)]


@pytest.mark.weights
def test_what_no_yes_could_lift_is_not_read_close(model: Model, prompt: Prompt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a sentence was read close")

    monkeypatch.setattr(CloseReader, "read", refused)
    with closing(Engine(sure_of(model, -3.1, 9.0), ChunkStore(tmp_path), "spans")) as engine:
        done = answered(engine, prompt)[-1]
    assert isinstance(done, Done)
    assert not done.found


@pytest.mark.weights
def test_below_the_threshold_nothing_is_said(close: Engine, prompt: Prompt) -> None:
    sure, unsure = (answered(close, prompt, AnswerOptions(threshold=at))[-1] for at in (0.0, 1.01))
    assert isinstance(sure, Done)
    assert isinstance(unsure, Done)
    assert (sure.found, unsure.found, unsure.answer) == (True, False, "")
    assert sure.confidence == unsure.confidence


@pytest.mark.weights
def test_a_long_sentence_that_answers_as_a_whole_is_not_cut_before_its_end(
    close: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words are left off at its end only where the question's options say so."""
    long = "The Agreement is governed by the laws of " + " and of ".join(f"Province {number}" for number in range(28)) + "."
    prompt = make_prompt(tmp_path, close.tokenizer, {"laws": [long]})

    def whole(_: CloseReader, sentences: Sequence[Sentence], question: str) -> Steps[list[CloseSentence]]:
        found = []
        for each in sentences:
            window = Window.of(each.text, each.start, each.end, close.tokenizer)
            tokens = len(window.body.ids) - window.before
            spans = torch.arange(tokens).flip(0)[:, None] + torch.arange(tokens)[None, :]  # the longer the better
            found.append(CloseSentence(each, window, CloseReading(torch.tensor(1.0), spans.float())))
        yield ()
        return found

    monkeypatch.setattr(CloseReader, "read", whole)
    question = "Which laws govern the Agreement?"
    whole_said, cut = (
        list(close.answer(prompt, question, options=AnswerOptions(threshold=0.0, max_tokens=most)))[-1] for most in (None, 9)
    )
    assert len(close.tokenizer.encode(long)) > SPAN_TOKENS
    assert isinstance(whole_said, Done)
    assert isinstance(cut, Done)
    assert whole_said.answer == long
    assert len(close.tokenizer.encode(cut.answer)) <= 9
