"""The reading head: the state that it sees, its best span beside every span, its file, and answers that come from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.cache.store import ChunkStore
from engine.calibration import LOOK_CHUNKS, LOOK_FIRST, READ_CHUNKS
from engine.engine import Engine
from engine.errors import ModelDamaged
from engine.events import AnswerOptions, Done, Located, Quote, Token
from engine.loading.reading_head import read_reading_head
from engine.model.attention import Segment
from engine.model.reading_head import Reading, ReadingHead, ReadingShape, Seen, Weights, best_span
from engine.opening import open_model
from engine.prompt import Prompt
from engine.shared_words import SharedWords
from engine.tokenizer import Tokenizer
from tests.engine.prompts import make_prompt
from tests.engine.tiny import CONFIG, reference_model, tiny_decoder
from tests.engine.vocabularies import chatml_json

SHAPE = ReadingShape((0, 2), CONFIG.kv_heads * CONFIG.head_dim, 64, 2)


def head(shape: ReadingShape = SHAPE, weights: Weights | None = None, seed: int = 0) -> ReadingHead:
    torch.manual_seed(seed)
    made = ReadingHead(shape, weights)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made.eval()


def seen(tokens: int = 12, header: int = 2, seed: int = 0) -> Seen:
    random = torch.Generator().manual_seed(seed)
    chunk, question = (torch.randn(count, SHAPE.inputs, generator=random) for count in (tokens, 5))
    return Seen(chunk, question, torch.rand(tokens, generator=random) > 0.5, header, 3)


def test_the_values_of_a_cache_are_those_of_the_reference() -> None:
    theirs, ours = reference_model(), tiny_decoder()
    ids = torch.randint(0, CONFIG.vocab, (20,), generator=torch.Generator().manual_seed(1))
    cache = ours.new_cache()
    for part in ids.split([7, 13]):
        ours.read(part, [Segment(cache, len(part))])
    with torch.inference_mode():
        kept = theirs(ids[None], use_cache=True).past_key_values
    expected = torch.cat([kept.layers[layer].values[0].transpose(0, 1).flatten(1) for layer in SHAPE.layers], 1)
    torch.testing.assert_close(cache.values(SHAPE.layers, 5), expected[5:], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_it_speaks_of_the_body_alone_and_looks_both_ways() -> None:
    made, given = head(), seen()
    reading = made(given)
    assert len(reading.starts) == len(reading.ends) == 10
    torch.testing.assert_close(reading.starts.exp().sum(), torch.tensor(1.0))
    for changed in ("chunk", "question"):
        other = getattr(given, changed).clone()
        other[-1] += 1.0
        assert not torch.allclose(made(given._replace(**{changed: other})).starts[:1], reading.starts[:1]), changed
    marked = made(given._replace(shared=~given.shared))
    assert not torch.allclose(marked.answers, reading.answers)


@pytest.mark.parametrize("most", [1, 3, 30])
@pytest.mark.parametrize("seed", range(5))
def test_the_best_span_is_the_best_of_all(most: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    first, last = torch.randn(2, 9, generator=random)
    may_start, may_end = torch.rand(2, 9, generator=random) > 0.3
    spans = [(float(first[i] + last[j]), i, j) for i in range(9) for j in range(i, min(9, i + most)) if may_start[i] and may_end[j]]
    score, begin, end = max(spans)
    found = best_span(Reading(torch.tensor(0.0), first, last), may_start, may_end, most)
    assert found == (begin, end, pytest.approx(score))


def test_a_span_is_found_even_where_no_token_may_begin_one() -> None:
    nothing = torch.zeros(4, dtype=torch.bool)
    begin, end, _ = best_span(Reading(torch.tensor(0.0), torch.zeros(4), torch.zeros(4)), nothing, nothing, 3)
    assert 0 <= begin <= end < 4


def test_words_of_the_question_are_marked() -> None:
    tokenizer = Tokenizer(chatml_json())
    words = SharedWords(tokenizer)
    text, question = tokenizer.encode(" The period is long. It is a Period."), tokenizer.encode(" what is the period")
    marked = "".join(tokenizer.token_bytes(int(id)).decode() for id in text[words.marked(text, question)])
    assert " period" in marked
    assert "long" not in marked
    assert "The" not in marked
    assert not words.marked(text, tokenizer.encode(" what is the")).any(), "words that say little"


# --- its file ---


def write(path: Path, made: ReadingHead, **metadata: str) -> Path:
    told = {"model": "abc", "shape": json.dumps(asdict(made.shape)), "weights": json.dumps(asdict(made.weights))}
    save_file(made.state_dict(), path, told | metadata)
    return path


@torch.inference_mode()
def test_it_is_read_for_its_model_and_no_other(tmp_path: Path) -> None:
    made = head(weights=Weights(0.9, 0.1, 2.0, 0.5, -1.0))
    path = write(tmp_path / "head", made)
    found = read_reading_head("abc", CONFIG, path=path)
    assert found is not None
    assert (found.shape, found.weights) == (made.shape, made.weights)
    torch.testing.assert_close(found(seen()).starts, made(seen()).starts)
    assert read_reading_head("abd", CONFIG, path=path) is None
    assert read_reading_head("abc", CONFIG, path=tmp_path / "none") is None


def test_it_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    for metadata in ({"shape": "{}"}, {"weights": '{"more": 1}'}, {"shape": json.dumps(asdict(replace(SHAPE, width=32)))}):
        with pytest.raises(ModelDamaged, match="cannot be read"):
            read_reading_head("abc", CONFIG, path=write(tmp_path / "head", head(), **metadata))
    for other in (replace(SHAPE, layers=(0, 9)), replace(SHAPE, values=8)):
        with pytest.raises(ModelDamaged, match="is not for tiny"):
            read_reading_head("abc", CONFIG, path=write(tmp_path / "head", head(other)))


# --- answers ---

PARTS = {"hull": "black", "mast": "white", "deck": "green", "keel": "red", "helm": "blue", "bow": "grey", "stern": "brown", "sail": "pink"}
MORE = {"rail": "teal", "rope": "gold"}
BODIES = [f"The {noun} of the ship is painted {colour}.\n\n" for noun, colour in (PARTS | MORE).items()]
QUESTION = "Which colour does the keel of the ship have?"


@pytest.fixture(scope="module")
def reading(weights_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The bundled model with a random head, which says of everything that it answers."""
    model = open_model(weights_folder)
    config = model.decoder.config
    made = head(ReadingShape((3, 20), config.kv_heads * config.head_dim, 64, 1), Weights(bias=3.0))
    engine = Engine(replace(model, reading=made), ChunkStore(tmp_path_factory.mktemp("store")), "spans")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def prompt(reading: Engine, tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    return make_prompt(tmp_path_factory.mktemp("prompt"), reading.tokenizer, {"ship": BODIES})


@pytest.mark.weights
def test_an_answer_is_words_of_the_document_in_a_quote_of_whole_sentences(reading: Engine, prompt: Prompt) -> None:
    events = list(reading.answer(prompt, QUESTION))
    tokens, (quote, *_), (done,) = ([e for e in events if isinstance(e, kind)] for kind in (Token, Quote, Done))
    assert done.found
    assert done.answer == "".join(token.text for token in tokens)
    assert done.answer in " ".join(quote.text.split())
    assert quote.verified
    assert prompt.document("ship").text()[quote.start_char : quote.end_char] == quote.text
    assert quote.text.endswith(".")
    located = [event for event in events if isinstance(event, Located)]
    assert [event.score for event in located] == sorted((event.score for event in located), reverse=True)
    assert any(event.start_char <= quote.start_char < event.end_char for event in located[:READ_CHUNKS])


@pytest.mark.weights
def test_below_the_threshold_nothing_is_said(reading: Engine, prompt: Prompt) -> None:
    sure, unsure = (list(reading.answer(prompt, QUESTION, options=AnswerOptions(threshold=at)))[-1] for at in (0.5, 1.01))
    assert isinstance(sure, Done)
    assert isinstance(unsure, Done)
    assert (sure.found, unsure.found, unsure.answer) == (True, False, "")
    assert sure.confidence == unsure.confidence > 0.5


@pytest.mark.weights
def test_so_many_are_read_as_the_options_say(reading: Engine, tmp_path: Path) -> None:
    prompt = make_prompt(tmp_path, reading.tokenizer, {"ship": BODIES, "sister": BODIES})
    assert prompt.chunks > LOOK_CHUNKS
    for options, read in (
        (AnswerOptions(read_chunks=2), 2),
        (AnswerOptions(read_chunks=LOOK_CHUNKS), LOOK_CHUNKS),
        (AnswerOptions(locate_chunks=3), 3),
    ):
        done = list(reading.answer(prompt, QUESTION, options=options))[-1]
        assert isinstance(done, Done)
        assert done.usage.read_chunks == read


@pytest.mark.weights
@pytest.mark.parametrize(("sure", "read"), [(-100.0, LOOK_FIRST), (100.0, LOOK_CHUNKS)])
def test_the_others_are_read_only_where_none_of_the_first_surely_answers(
    reading: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sure: float, read: int
) -> None:
    monkeypatch.setattr("engine.head_way.SURE", sure)
    prompt = make_prompt(tmp_path, reading.tokenizer, {"ship": BODIES, "sister": BODIES})
    one, other = (list(reading.answer(prompt, QUESTION, options=AnswerOptions(read_chunks=most))) for most in (None, read))
    assert [event.usage.read_chunks for event in (one[-1], other[-1]) if isinstance(event, Done)] == [read, read]
    found, all_at_once = ([event for event in events if isinstance(event, Located)] for events in (one, other))
    assert [(event.document, event.chunk) for event in found] == [(event.document, event.chunk) for event in all_at_once]
    assert [event.score for event in found] == pytest.approx([event.score for event in all_at_once], abs=1e-4)


@pytest.mark.weights
def test_a_question_put_to_nothing_beside_the_chunks_counts_as_put_to_nothing_alone(
    reading: Engine, prompt: Prompt, weights_folder: Path, tmp_path: Path
) -> None:
    bare = replace(open_model(weights_folder), reading=None, close=None)
    with closing(Engine(bare, ChunkStore(tmp_path / "store"), "spans")) as plain:
        everywhere = AnswerOptions(read_chunks=LOOK_CHUNKS)
        said = (engine.answer(prompt, QUESTION, options=everywhere) for engine in (reading, plain))
        one, other = ({event.start_char: event.likelihood for event in events if isinstance(event, Located)} for events in said)
    assert None not in other.values()
    assert one == other


@pytest.mark.weights
def test_it_answers_alike_stored_or_read_now(reading: Engine, prompt: Prompt) -> None:
    mine = replace(prompt, salt="stored")
    first, again = (list(reading.answer(mine, QUESTION))[-1] for _ in range(2))
    assert isinstance(first, Done)
    assert isinstance(again, Done)
    assert (first.answer, first.confidence) == (again.answer, pytest.approx(again.confidence, abs=1e-6))


def test_what_counts_for_a_chunk() -> None:
    assert Weights(2.0, 0.5, 4.0, 3.0, -1.0).odds(1.5, 6.0, 0.25, 2.0) == pytest.approx(12.0)
    assert np.isclose(Weights().odds(1.5, 6.0, 0.25, 2.0), 1.5)
