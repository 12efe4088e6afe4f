"""Free answers over composed chunks by a small random Scout: what is read and kept, what is quoted, and who asks for this way to answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.cache.codec import Plain
from engine.citing import SOME_VERIFIED
from engine.composed import asking
from engine.engine import Engine
from engine.errors import EngineError, ModelDamaged
from engine.events import AnswerEvent, AnswerOptions, Done, Located, Quote, Token
from engine.generate import pick
from engine.passages import NOT_FOUND
from engine.prompt import Prompt
from tests.engine.composed_reference import composed_logits
from tests.engine.fed import Fed
from tests.engine.models import save_model
from tests.engine.prompts import make_prompt

NEEDLE = "The café was founded in 1987 by Zoë Müller in Düsseldorf."
BODIES = [
    "Crème brûlée is served on Sundays. The naïve waiter never writes anything down.\n\n",
    f"{NEEDLE} It sold pastries to élite customers.\n\n",
    "The annual rent is 12,400 euros, payable in advance. The landlord may raise it by 2%.\n\n",
]
QUESTION, SECOND = "Who founded the café?", "How much is the annual rent?"
FEW = AnswerOptions(max_tokens=12)
# Shorter than the system text, the chunks' text and the answers.
ATTENTION_CHUNK = 64


def opened(folder: Path, store: Path, **options: object) -> Engine:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.opening.placement", lambda _: (torch.device("cpu"), torch.float32))
        return Engine.open(folder, store, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def scout(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    folder = tmp_path_factory.mktemp("scout")
    return folder, save_model("llama4_text", folder, attention_chunk_size=ATTENTION_CHUNK)


@pytest.fixture(scope="module")
def engine(scout: tuple[Path, torch.nn.Module], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = opened(scout[0], tmp_path_factory.mktemp("store"), reading="composed")
    # What is stored is rounded; in the model's own type the answers can be compared.
    engine._composed.reader._runs._packing.codec = Plain(torch.float32)  # type: ignore[union-attr]
    yield engine
    engine.close()


@pytest.fixture
def prompt(engine: Engine, tmp_path: Path) -> Prompt:
    return make_prompt(tmp_path, engine.tokenizer, {"guide": BODIES[:2], "lease": BODIES[2:]}, salt=str(tmp_path))


@pytest.fixture
def say(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the model say these words and end."""

    def say(words: str) -> None:
        script = iter([*engine.tokenizer.encode(words).tolist(), engine.chat.end])
        monkeypatch.setattr("engine.generate.pick", lambda *_: next(script))

    return say


def ask(engine: Engine, prompt: Prompt, question: str = QUESTION, options: AnswerOptions = FEW) -> list[AnswerEvent]:
    return list(engine.answer(prompt, question, options=options))


def done_of(events: list[AnswerEvent]) -> Done:
    assert isinstance(events[-1], Done), events[-1]
    return events[-1]


def test_it_speaks_in_order_and_says_how_it_read(engine: Engine, prompt: Prompt) -> None:
    events = ask(engine, prompt)
    kinds = [{Located: 0, Token: 1, Quote: 1, Done: 2}[type(event)] for event in events]
    assert kinds == sorted(kinds)
    done = done_of(events)
    assert (done.mode, engine.status().mode, done.usage.read_chunks) == ("composed bf16", "composed bf16", 3)


def test_it_writes_the_tokens_that_transformers_writes_over_the_same_chunks(
    engine: Engine, scout: tuple[Path, torch.nn.Module], prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours: list[int] = []
    monkeypatch.setattr("engine.generate.pick", lambda *given: ours.append(pick(*given)) or ours[-1])
    ask(engine, prompt)
    composed = engine._composed
    assert composed is not None
    chunks = [composed.prefix, *(chunk.ids for document in prompt.documents for chunk in document.chunks())]
    question, theirs = asking(engine.chat, QUESTION), []
    for _ in ours:
        logits = composed_logits(scout[1], chunks, np.concatenate((question, np.array(theirs, dtype=np.int32))))
        theirs.append(int(logits[-1, : len(engine.tokenizer)].argmax()))
    assert len(ours) > 8
    assert ours == theirs


def test_it_verifies_quotes_without_numbers(engine: Engine, prompt: Prompt, say: Callable[[str], None]) -> None:
    say(f"Zoë Müller. <quote>{NEEDLE}</quote> The rent is high.<quote>The annual rent is 12,401 euros</quote>")
    events = ask(engine, prompt, options=AnswerOptions())
    verified, invented = [event for event in events if isinstance(event, Quote)]
    assert (verified.text, verified.verified, invented.verified) == (NEEDLE, True, False)
    assert prompt.documents[0].text()[verified.start_char : verified.end_char] == NEEDLE
    done = done_of(events)
    assert (done.answer, done.confidence) == ("Zoë Müller. [1] The rent is high. [2]", SOME_VERIFIED)


def test_it_says_nothing_where_the_model_finds_nothing(engine: Engine, prompt: Prompt, say: Callable[[str], None]) -> None:
    say(NOT_FOUND)
    assert not done_of(ask(engine, prompt, options=AnswerOptions())).found
    assert done_of(ask(engine, prompt, " ")).usage.read_chunks == 0


def test_a_question_reads_itself_alone_once_the_prompt_is_stored(engine: Engine, prompt: Prompt, say: Callable[[str], None]) -> None:
    fed, composed = Fed(engine.decoder), engine._composed
    assert composed is not None
    told = [event for event in engine.prefill(prompt) if event.tier != "index"]
    assert ([event.chunks_done for event in told], told[-1].tokens_done) == ([1, 2, 3], prompt.tokens)
    # Each token goes through the layers below the scan heads, and through all; the first time there the prefix too.
    assert 2 * prompt.tokens <= fed.take() <= 2 * prompt.tokens + len(engine.chat.prefix)
    assert [event for event in engine.prefill(prompt, mode="composed") if event.tier != "index"] == told
    assert fed.take() == 0
    own = len(asking(engine.chat, SECOND)) + len(engine.tokenizer.encode("yes")) + len(engine.chat.ask(SECOND).ids)
    turned = replace(prompt, documents=prompt.documents[::-1])
    for asked in (prompt, turned):
        say("yes")
        ask(engine, asked, SECOND)
        assert own <= fed.take() <= own + len(composed.prefix)
    engine.forget(("guide", "lease"), prompt.salt)
    say("yes")
    ask(engine, turned, SECOND)
    assert fed.take() == own + prompt.tokens - len(engine.chat.ask(SECOND).ids), "what is forgotten is read again, when a question needs it"


def test_the_models_own_heads_find_what_shares_no_word(engine: Engine, prompt: Prompt) -> None:
    """Which heads a random model has found means nothing; that every chunk has a score of theirs once it is indexed does."""
    assert {place.attention for place in engine.locate(prompt, QUESTION)} == {None}
    list(engine.prefill(prompt))
    located = engine.locate(prompt, "Wer?")
    assert len(located) == 3
    assert all(place.attention is not None for place in located)
    done = done_of(ask(engine, prompt))
    assert (done.usage.indexed_chunks, done.usage.indexed_tokens) == (3, prompt.tokens)


def test_it_answers_the_same_stored_or_not_yet(engine: Engine, prompt: Prompt) -> None:
    first = done_of(ask(engine, prompt)).answer
    assert done_of(ask(engine, prompt)).answer == first


def test_it_reads_the_best_chunks_within_its_budget(engine: Engine, prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    fed = Fed(engine.decoder)
    few = AnswerOptions(max_tokens=4, read_chunks=1)
    assert done_of(ask(engine, prompt, SECOND, few)).usage.read_tokens == len(prompt.documents[1].chunk(0).ids)
    assert fed.take() < prompt.tokens + len(asking(engine.chat, SECOND))
    fixed = engine._composed.space(SECOND, 4)  # type: ignore[union-attr]
    monkeypatch.setattr(engine._composed, "room", engine._composed.room - fixed + 60)  # type: ignore[union-attr]
    assert done_of(ask(engine, prompt, SECOND, AnswerOptions(max_tokens=4))).usage.read_chunks == 1


def test_it_refuses_modes_that_there_are_not(engine: Engine, scout: tuple[Path, torch.nn.Module], prompt: Prompt, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no 'other' prefill"):
        engine.prefill(prompt, mode="other")
    joined = opened(scout[0], tmp_path / "store")
    assert (joined.status().mode, list(joined.prefill(prompt))) == ("joined", [])
    with pytest.raises(EngineError, match="no 'composed' prefill"):
        joined.prefill(prompt, mode="composed")
    joined.close()


def test_a_model_or_its_adapter_says_that_it_was_trained_for_it(tmp_path: Path) -> None:
    save_model("llama4_text", tmp_path, attention_chunk_size=ATTENTION_CHUNK)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    modes = []
    for reading in ("composed", "free"):
        (tmp_path / "config.json").write_text(json.dumps(config | {"longread": {"reading": reading}}), encoding="utf-8")
        engine = opened(tmp_path, tmp_path / "store")
        modes.append(engine.status().mode)
        engine.close()
    assert modes == ["composed bf16", "joined"]
    (tmp_path / "config.json").write_text(json.dumps(config | {"longread": {"reading": "aloud"}}), encoding="utf-8")
    with pytest.raises(ModelDamaged, match=r"reading = .aloud.; there are spans, free, composed, exact"):
        opened(tmp_path, tmp_path / "store")


def test_a_model_without_chunked_layers_is_refused(tmp_path: Path) -> None:
    save_model("llama", tmp_path)
    with pytest.raises(EngineError, match="cannot read composed chunks"):
        opened(tmp_path, tmp_path / "store", reading="composed")


def test_it_keeps_state_in_the_form_that_was_chosen(scout: tuple[Path, torch.nn.Module], tmp_path: Path) -> None:
    """A byte a number in int8, so about half of the file's records; the answer comes out of the store as it did while it was read."""
    state_bytes, modes = [], []
    for codec in ("bf16", "int8"):
        engine = opened(scout[0], tmp_path / codec, reading="composed", codec=codec)
        try:
            prompt = make_prompt(tmp_path / f"{codec}-prompt", engine.tokenizer, {"guide": BODIES})
            first = list(engine.answer(prompt, QUESTION, options=FEW))
            again = list(engine.answer(prompt, QUESTION, options=FEW))
            assert [event for event in first if isinstance(event, Token)] == [event for event in again if isinstance(event, Token)]
            modes.append(next(event.mode for event in again if isinstance(event, Done)))
            status = engine.status()
            state_bytes.append(status.store_bytes - status.store_index_bytes)
        finally:
            engine.close()
    assert modes == ["composed bf16", "composed int8"]
    assert 0.5 < state_bytes[1] / state_bytes[0] < 0.75
    with pytest.raises(EngineError, match=r"one of bf16, int8, int4, not in int3\. Set LONGREAD_STORE_CODEC"):
        opened(scout[0], tmp_path / "int3", reading="composed", codec="int3")
