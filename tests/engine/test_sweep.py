"""Every question over every document alone, with a small random model: what is asked, what is read, who goes first, and what breaks."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.cache.kv_cache import KVCache
from engine.cache.store import ChunkStore
from engine.chat_format import ChatFormat
from engine.engine import Engine
from engine.errors import EngineClosed
from engine.events import AnswerEvent, AnswerOptions, Done, Failed, Located, Quote, Token
from engine.opened import OpenedChunks
from engine.opening import Model
from engine.places import candidates
from engine.prompt import Prompt
from engine.steps import Steps, forward, run
from engine.sweep import AHEAD, SweepEvent
from engine.tokenizer import Tokenizer
from engine.turns import SLICE_TOKENS, Kind, Waiting, share_out
from tests.engine.models import save_model
from tests.engine.prompts import make_prompt
from tests.engine.tiny import CONFIG, tiny_decoder

pytestmark = pytest.mark.weights

DOCUMENTS = {
    "lease": ["The annual rent is 12,400 euros.\n\n", "The landlord may raise the rent by 2%. Either party may end the lease.\n\n"],
    "guide": [f"The café number {number} was founded in {1980 + number}. The rent of its founder was low.\n\n" for number in range(12)],
    "letter": ["Dear Zoë, the rent is late again. The lease ends in May.\n\n"],
}
QUESTIONS = [
    "How much is the annual rent?",
    "Who founded the café?",
    "When does the lease end?",
    "xylophone quartz",
    "By how much may rent rise?",
]
ANY = AnswerOptions(threshold=0.0, max_tokens=8)


@pytest.fixture(scope="module")
def tokenizer(weights_folder: Path) -> Tokenizer:
    return Tokenizer.open(weights_folder)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Model:
    """Random, in fp32, so that what is packed and what is alone give the same tokens."""
    decoder = tiny_decoder(replace(CONFIG, vocab=len(tokenizer), context=2048))
    return Model(decoder, tokenizer, ChatFormat(tokenizer), None, "tiny", bundled=False)


@pytest.fixture
def engine(model: Model, tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(model, ChunkStore(tmp_path / "store"), "spans")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def prompt(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    return make_prompt(tmp_path_factory.mktemp("prompt"), tokenizer, DOCUMENTS)


def by_cell(events: list[SweepEvent]) -> dict[tuple[str, int], list[AnswerEvent]]:
    """The events of each answer, in the order in which the answers began."""
    cells: dict[tuple[str, int], list[AnswerEvent]] = {}
    for document, number, event in events:
        cells.setdefault((document, number), []).append(event)
    return cells


def told(events: list[AnswerEvent]) -> list[object]:
    """What an answer says, without the times that it took and with scores to four digits."""
    said: list[object] = []
    for event in events:
        if isinstance(event, Located):
            said.append((event.document, event.chunk, event.text, round(event.score, 3)))
        elif isinstance(event, Done):
            said.append((event.answer, event.found, round(event.confidence, 3), event.usage, event.model, event.mode))
        else:
            said.append(event)
    return said


def alone(prompt: Prompt, document: str) -> Prompt:
    return replace(prompt, documents=(prompt.document(document),))


def test_it_answers_each_question_over_each_document_as_if_that_were_alone(engine: Engine, prompt: Prompt) -> None:
    cells = by_cell(list(engine.sweep([prompt], QUESTIONS, options=ANY)))
    assert set(cells) == {(name, number) for name in DOCUMENTS for number in range(len(QUESTIONS))}
    for (name, number), events in cells.items():
        expected = list(engine.answer(alone(prompt, name), QUESTIONS[number], options=ANY))
        assert told(events) == told(expected)
        assert all(event.document == name for event in events if isinstance(event, Located | Quote))
    answers = {cell: events[-1].answer for cell, events in cells.items() if isinstance(events[-1], Done)}
    assert len(answers) == len(cells)
    silent = {("lease", 1), ("lease", 3), ("guide", 3), ("letter", 1), ("letter", 3), ("guide", 2)}
    assert {cell for cell, answer in answers.items() if not answer} == silent, "where no word of the question stands in the document"
    assert sum(isinstance(event, Token) for events in cells.values() for event in events) > 12


def test_it_ends_each_answer_once_and_goes_document_by_document(engine: Engine, prompt: Prompt) -> None:
    events = list(engine.sweep([prompt], QUESTIONS, options=ANY))
    ends = [(document, number) for document, number, event in events if isinstance(event, Done | Failed)]
    assert sorted(ends) == sorted((name, number) for name in DOCUMENTS for number in range(len(QUESTIONS)))
    order, ended = [(name, number) for name in DOCUMENTS for number in range(len(QUESTIONS))], set()
    for document, number, event in events:
        before = set(order[: order.index((document, number))])
        assert len(before - ended) < AHEAD, "a short document may overtake a long one, but not by more than what is under way"
        if isinstance(event, Done | Failed):
            ended.add((document, number))
    for cell, said in by_cell(events).items():
        assert isinstance(said[-1], Done), cell


def test_it_sweeps_several_prompts_and_none(engine: Engine, prompt: Prompt) -> None:
    prompts = [alone(prompt, "letter"), alone(prompt, "lease")]
    assert list(by_cell(list(engine.sweep(prompts, QUESTIONS[:1])))) == [("letter", 0), ("lease", 0)]
    assert list(engine.sweep([], QUESTIONS)) == list(engine.sweep([prompt], [])) == []


def test_it_takes_a_chunk_out_of_the_store_once_for_all_questions(engine: Engine, prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    list(engine.prefill(prompt))
    taken = Counter[bytes]()
    stored = engine._reader.runs.stored
    monkeypatch.setattr(engine._reader.runs, "stored", lambda key, *rest: taken.update([key]) or stored(key, *rest))
    list(engine.sweep([prompt], QUESTIONS, options=ANY))
    assert set(taken) >= {engine._reader.key(chunk, prompt.salt) for chunk in prompt.document("lease").chunks()}
    assert set(taken.values()) == {1}
    taken.clear()
    for question in QUESTIONS:
        list(engine.answer(alone(prompt, "lease"), question, options=ANY))
    assert max(taken.values()) > 1, "answers alone take it each time"


def test_it_reads_a_chunk_once_where_nothing_is_stored(engine: Engine, prompt: Prompt) -> None:
    small = alone(prompt, "lease")
    list(engine.sweep([small], QUESTIONS, options=ANY))
    assert engine._reader.spent.tokens == small.tokens


def test_it_holds_no_more_opened_chunks_than_its_budget(model: Model) -> None:
    def opening() -> Steps[KVCache]:
        cache = model.decoder.new_cache(8)
        yield from forward(torch.arange(8), cache)
        return cache

    kept = OpenedChunks(3 * run(opening(), model.decoder).bytes)
    for number in (1, 2, 3, 1, 4, 1):
        run(kept.get(bytes([number]), opening), model.decoder)
    assert [key[0] for key in kept._kept] == [3, 4, 1], "the one used last stays, the one used first goes"


def test_a_question_waits_for_the_chunk_that_another_opens(model: Model) -> None:
    begun = list[int]()

    def opening() -> Steps[KVCache]:
        begun.append(1)
        cache = model.decoder.new_cache(8)
        yield from forward(torch.arange(8), cache)
        return cache

    kept = OpenedChunks(1 << 30)
    first, second = kept.get(b"chunk", opening), kept.get(b"chunk", opening)
    assert (len(next(first)), next(second), second.send([])) == (1, (), ())
    first.close()
    assert len(second.send([])) == 1, "where the other ends, this one opens it"
    assert len(begun) == 2


def test_it_stops_at_its_next_turn_when_the_iterator_is_closed(engine: Engine, prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = list[str]()
    monkeypatch.setattr(
        "engine.spans.candidates", lambda prompt, question, limit: searched.append(question) or candidates(prompt, question, limit)
    )
    events = engine.sweep([prompt], QUESTIONS * 20, options=ANY)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert len(searched) <= AHEAD + 1
    deadline = time.monotonic() + 10
    while engine.status().sweeps_running or engine.status().sweeps_waiting:
        assert time.monotonic() < deadline
    assert not list(events)


def test_one_broken_document_ends_its_own_answers_and_no_other(engine: Engine, prompt: Prompt, tmp_path: Path) -> None:
    lease, guide, letter = prompt.documents
    gone = replace(lease, text_path=tmp_path / "gone.txt")
    foreign = replace(guide, ids=guide.ids + np.int32(49_000))
    torn = replace(guide, rows=guide.rows[["first_token"]])
    for broken, reason in ((gone, "cannot be read"), (foreign, "for another model"), (torn, "This answer broke")):
        cells = by_cell(list(engine.sweep([replace(prompt, documents=(broken, letter))], ["What is the rent?", "Is the rent low?"])))
        assert len(cells) == 4
        for number in range(2):
            last = cells[broken.id, number][-1]
            assert isinstance(last, Failed)
            assert reason in last.message
            assert "arse the document again" in last.message or "Parse it again" in last.message
            assert isinstance(cells["letter", number][-1], Done)


def test_it_lets_an_answer_go_first_and_does_not_stand_still_for_it(
    engine: Engine, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the turns in which an answer waits, only every fourth has a part of the sweep, and a small one."""
    list(engine.prefill(prompt))
    list(engine.answer(alone(prompt, "lease"), QUESTIONS[0], options=ANY))
    turns = list[tuple[int, int]]()

    def counting(waiting: Sequence[Waiting], budget: int) -> list[int]:
        given = share_out(waiting, budget)
        answer, swept = (sum(tokens for one, tokens in zip(waiting, given, strict=True) if one.kind == kind) for kind in list(Kind)[:2])
        if answer:
            turns.append((answer, swept))
        return given

    monkeypatch.setattr("engine.scheduler.share_out", counting)
    done = threading.Event()

    def sweeping() -> None:
        list(engine.sweep([prompt], QUESTIONS * 8, options=ANY))
        done.set()

    thread = threading.Thread(target=sweeping, daemon=True)
    thread.start()
    while not engine.status().sweeps_running:
        time.sleep(0.001)
    assert isinstance(list(engine.answer(alone(prompt, "lease"), QUESTIONS[0], options=ANY))[-1], Done)
    assert not done.is_set(), "the answer was there before the sweep's end"
    thread.join(60)
    assert done.is_set()
    assert len(turns) > 4
    assert sum(1 for _, swept in turns if swept) <= len(turns) / 2
    assert max(swept for _, swept in turns) <= SLICE_TOKENS


def test_it_says_when_the_engine_is_closed(engine: Engine, prompt: Prompt) -> None:
    events = engine.sweep([prompt], QUESTIONS * 50, options=ANY)
    next(events)
    engine.close()
    with pytest.raises(EngineClosed):
        list(events)


def test_questions_that_a_free_answer_reads_the_same_for_read_it_once(tmp_path: Path) -> None:
    save_model("smollm3", tmp_path)
    engine = Engine.open(tmp_path, tmp_path / "store")
    prompt = make_prompt(tmp_path / "prompt", engine.tokenizer, {name: DOCUMENTS[name] for name in ("lease", "letter")})
    cells = by_cell(list(engine.sweep([prompt], QUESTIONS[:3], options=AnswerOptions(max_tokens=4))))
    assert [type(said[-1]) for said in cells.values()] == [Done] * 6
    swept = engine._way.spent.tokens
    engine.forget(("lease", "letter"), prompt.salt)
    for name in ("lease", "letter"):
        list(engine.answer(alone(prompt, name), QUESTIONS[0], options=AnswerOptions(max_tokens=4)))
    assert engine._way.spent.tokens == 2 * swept, "what three questions read is what one reads"
    engine.close()
