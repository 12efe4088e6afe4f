"""Free answers over a whole prompt that is read as one sequence, by a small random Scout, beside transformers over the same ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.cache.codec import Plain
from engine.composed import asking
from engine.engine import Engine
from engine.events import AnswerEvent, AnswerOptions, Done, Failed, Quote
from engine.generate import pick
from engine.loading.named_reading import named_reading
from engine.prompt import Prompt
from tests.engine.fed import Fed
from tests.engine.models import save_model
from tests.engine.prompts import make_prompt
from tests.engine.test_composed import ATTENTION_CHUNK, BODIES, NEEDLE, QUESTION, SECOND, opened

FEW = AnswerOptions(max_tokens=12)


@pytest.fixture(scope="module")
def scout(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    folder = tmp_path_factory.mktemp("scout")
    return folder, save_model("llama4_text", folder, attention_chunk_size=ATTENTION_CHUNK)


@pytest.fixture(scope="module")
def engine(scout: tuple[Path, torch.nn.Module], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = opened(scout[0], tmp_path_factory.mktemp("store"), reading="exact")
    engine._exact._runs._packing.codec = Plain(torch.float32)  # what is stored is not rounded: the answers can be compared
    yield engine
    engine.close()


@pytest.fixture
def prompt(engine: Engine, tmp_path: Path) -> Prompt:
    return make_prompt(tmp_path, engine.tokenizer, {"guide": BODIES[:2], "lease": BODIES[2:]}, salt=str(tmp_path))


def ask(engine: Engine, prompt: Prompt, question: str = QUESTION) -> list[AnswerEvent]:
    return list(engine.answer(prompt, question, options=FEW))


def test_it_writes_what_transformers_writes_after_the_whole_prompt(
    engine: Engine, scout: tuple[Path, torch.nn.Module], prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours: list[int] = []
    monkeypatch.setattr("engine.generate.pick", lambda *given: ours.append(pick(*given)) or ours[-1])
    done = ask(engine, prompt)[-1]
    assert isinstance(done, Done), done
    assert (done.mode, engine.status().mode) == ("exact bf16", "exact bf16")
    assert (done.usage.read_tokens, done.usage.read_chunks) == (prompt.tokens, prompt.chunks)
    assert engine._whole is not None
    chunks = [chunk.ids for document in prompt.documents for chunk in document.chunks()]
    ids = np.concatenate([engine._whole.prefix, *chunks, asking(engine.chat, QUESTION)]).tolist()
    theirs: list[int] = []
    with torch.inference_mode():
        for _ in ours:
            logits = scout[1](torch.tensor([ids + theirs])).logits[0, -1, : len(engine.tokenizer)]
            theirs.append(int(logits.argmax()))
    assert len(ours) > 8
    assert ours == theirs


def test_what_is_read_ahead_is_not_read_again_whatever_is_asked(engine: Engine, prompt: Prompt) -> None:
    told = list(engine.prefill(prompt))
    assert (told[-1].chunks_done, told[-1].tokens_done) == (prompt.chunks, prompt.tokens)
    fed = Fed(engine.decoder)
    for question in (QUESTION, SECOND):
        ask(engine, prompt, question)
        assert fed.take() <= len(asking(engine.chat, question)) + 12
    assert list(engine.prefill(prompt)) == told


def test_quotes_are_searched_in_all_of_it(engine: Engine, prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    script = iter([*engine.tokenizer.encode(f"In 1987. <quote>{NEEDLE}</quote>").tolist(), engine.chat.end])
    monkeypatch.setattr("engine.generate.pick", lambda *_: next(script))
    quotes = [event for event in engine.answer(prompt, QUESTION) if isinstance(event, Quote)]
    assert [(quote.text, quote.verified) for quote in quotes] == [(NEEDLE, True)]


def test_a_prompt_beyond_the_context_is_refused_with_what_to_do(engine: Engine, tmp_path: Path) -> None:
    long = make_prompt(tmp_path, engine.tokenizer, {"guide": BODIES * (engine.decoder.config.context // 100)})
    failed = ask(engine, long)[-1]
    assert isinstance(failed, Failed)
    assert "in one piece" in failed.message
    assert "Use isolated mode" in failed.message


def test_a_model_may_ask_for_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"longread": {"reading": "exact"}}')
    assert named_reading(tmp_path, None) == "exact"
