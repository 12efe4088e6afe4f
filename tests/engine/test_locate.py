"""Locating by words and by the scan: the bundled model with a head made here, and prompts of which some is indexed, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.cache.store import ChunkStore
from engine.calibration import LOCATE_CHUNKS, READ_CHUNKS, WIDE_CHUNKS, place_score
from engine.engine import Engine
from engine.events import AnswerEvent, AnswerOptions, Done, Located
from engine.lexical import LexicalHit
from engine.model.scan_head import ScanHead
from engine.opening import open_model
from engine.places import best_scores, fused
from engine.prompt import Prompt
from tests.engine.fed import tokens
from tests.engine.prompts import make_prompt, prompt_of_ids

LAYER = 3
NAN = float("nan")


def attention(*scores: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(scores, dtype=np.float32)


def ids_prompt() -> Prompt:
    return prompt_of_ids([tokens(4, seed) for seed in range(3)], [tokens(4, seed) for seed in range(3, 5)])


def test_the_best_of_both_come_first_with_both_scores() -> None:
    hits = [LexicalHit("d1", 1, 12.0), LexicalHit("d0", 0, 3.0)]
    places = fused(ids_prompt(), hits, attention(0.2, 0.9, 0.3, 0.1, 0.4), 4)
    shown = [(place.chunk.document, place.chunk.index, place.lexical, place.attention) for place in places]
    scored = [
        ("d0", 0, 3.0, pytest.approx(0.2)),
        ("d0", 1, 0.0, pytest.approx(0.9)),
        ("d0", 2, 0.0, pytest.approx(0.3)),
        ("d1", 0, 0.0, pytest.approx(0.1)),
        ("d1", 1, 12.0, pytest.approx(0.4)),
    ]
    expected = sorted(scored, key=lambda row: -place_score(row[2], None, row[3].expected))[:4]
    assert shown == expected
    assert ("d0", 1) in [row[:2] for row in shown[:2]], "a chunk that shares no word can win"


def test_a_chunk_that_is_not_indexed_takes_part_by_its_words_alone() -> None:
    hits = [LexicalHit("d0", 0, 9.0), LexicalHit("d1", 1, 2.0), LexicalHit("d0", 2, 1.0)]
    places = fused(ids_prompt(), hits, attention(NAN, 0.55, NAN, NAN, 0.5), 9)
    assert [(place.chunk.index, place.attention is None) for place in places if place.chunk.document == "d0"] == [
        (0, True),
        (1, False),
        (2, True),
    ]
    assert len(places) == 4, "one that has neither is not located"


@pytest.mark.parametrize("indexed", [(0.2, NAN), (NAN, 0.2), (0.6, NAN), (NAN, 0.6), (NAN, NAN)], ids=str)
def test_being_indexed_is_neither_for_nor_against_a_chunk(indexed: tuple[float, float]) -> None:
    """Whatever the scan's scores are like for this question, and whichever of two that share its words was indexed first."""
    hits = [LexicalHit("d0", 0, 4.0), LexicalHit("d0", 1, 3.0)]
    places = fused(ids_prompt(), hits, attention(*indexed, NAN, NAN, NAN), 9)
    assert [place.chunk.index for place in places] == [0, 1]


def test_many_scores_are_cut_to_the_best() -> None:
    assert sorted(best_scores(attention(0.1, NAN, 0.9, -0.5, 0.4, NAN, 0.8), 3)) == [2, 4, 6]
    assert best_scores(attention(NAN, NAN), 3) == []


BODIES = [
    f"Paragraph {number}. The {noun} of the ship is painted {colour}.\n\n"
    for number, (noun, colour) in enumerate(
        [("hull", "black"), ("mast", "white"), ("deck", "green"), ("keel", "red"), ("helm", "blue"), ("bow", "grey"), ("stern", "brown")]
    )
]
QUESTION = "Which colour does the keel have?"


@pytest.fixture(scope="module")
def scanning(weights_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The bundled model with a head whose queries and keys are the same, so that a chunk's own words find it."""
    model = open_model(weights_folder)
    weight = torch.randn(128, model.decoder.config.hidden, generator=torch.Generator().manual_seed(0))
    head = ScanHead((LAYER,), weight, weight, "same", weighted=False)
    engine = Engine(replace(model, scan=head, reading=None), ChunkStore(tmp_path_factory.mktemp("store")), "spans")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def prompt(scanning: Engine, tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    return make_prompt(tmp_path_factory.mktemp("prompt"), scanning.tokenizer, {"ship": BODIES})


def index(engine: Engine, prompt: Prompt) -> None:
    for event in engine.prefill(prompt):
        if event.tier == "full":
            return


def done(engine: Engine, prompt: Prompt, options: AnswerOptions | None = None) -> tuple[list[AnswerEvent], Done]:
    events = list(engine.answer(prompt, QUESTION, options=options))
    assert isinstance(events[-1], Done)
    return events, events[-1]


@pytest.mark.weights
def test_it_reads_ahead_in_two_tiers(scanning: Engine, prompt: Prompt) -> None:
    mine = replace(prompt, salt="tiers")
    told = list(scanning.prefill(mine))
    tiers = [event.tier for event in told]
    assert tiers == sorted(tiers, key=["index", "full"].index)
    assert {event.tokens_done for event in told if event.chunks_done == len(BODIES)} == {prompt.tokens}
    status = scanning.status()
    assert (status.store_chunks, status.store_index_bytes) == (len(BODIES), prompt.tokens * 128)
    scanning.forget([document.id for document in mine.documents], mine.salt)
    assert (scanning.status().store_chunks, scanning.status().store_index_bytes) == (0, 0)


@pytest.mark.weights
def test_an_answer_says_what_was_indexed_and_both_scores(scanning: Engine, prompt: Prompt) -> None:
    mine = replace(prompt, salt="scores")
    _, before = done(scanning, mine)
    index(scanning, mine)
    events, after = done(scanning, mine)
    assert (before.usage.indexed_tokens, before.usage.indexed_chunks) == (0, 0)
    assert (after.usage.indexed_tokens, after.usage.indexed_chunks) == (prompt.tokens, len(BODIES))
    located = [event for event in events if isinstance(event, Located)]
    assert len(located) == len(BODIES), "the scan finds chunks that share no word with the question"
    assert any(event.lexical for event in located)
    assert all(event.attention is not None and -1 <= event.attention <= 1 for event in located)
    scanning.forget([document.id for document in mine.documents], mine.salt)


@pytest.mark.weights
def test_what_shares_no_word_is_found_by_the_scan_alone(scanning: Engine, prompt: Prompt) -> None:
    mine = replace(prompt, salt="alone")
    assert scanning.locate(mine, "Mahogany") == []
    index(scanning, mine)
    located = scanning.locate(mine, "Mahogany", limit=3)
    assert len(located) == 3
    assert {place.lexical for place in located} == {0.0}
    scanning.forget([document.id for document in mine.documents], mine.salt)


@pytest.mark.weights
def test_an_unsure_reader_reads_on_up_to_a_limit(scanning: Engine, prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, read = replace(prompt, salt="wide"), list[int]()
    index(scanning, mine)
    find = scanning.spans.find
    monkeypatch.setattr(scanning.spans, "find", lambda question, places: (read.append(len(places)), find(question, places))[1])
    done(scanning, mine, AnswerOptions(threshold=0.0))
    assert read == [READ_CHUNKS], "sure at once"
    read.clear()
    _, unsure = done(scanning, mine, AnswerOptions(threshold=1.1))
    assert (sum(read), unsure.found) == (min(WIDE_CHUNKS, len(BODIES), LOCATE_CHUNKS), False)
    read.clear()
    done(scanning, mine, AnswerOptions(threshold=1.1, read_chunks=2))
    assert read == [2], "whoever says how many to read gets so many"
    scanning.forget([document.id for document in mine.documents], mine.salt)
