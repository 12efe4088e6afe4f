"""Exact prefill: the whole prompt as one sequence, resumed from whatever is stored, in another process too. fp32."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.cache.codec import BF16, Codec, Plain
from engine.cache.store import ChunkStore
from engine.errors import EngineError, PromptUnreadable, StoreFull
from engine.events import PrefillEvent
from engine.exact import ExactReader
from engine.loading.load import load_model
from engine.model.decoder import Decoder
from engine.prompt import Prompt
from engine.runs import RunReader, Spent
from engine.steps import run, stream
from tests.architecture.source import ROOT
from tests.engine.checkpoints import save_random
from tests.engine.fed import Fed, expected, logits_after, same, tokens
from tests.engine.prompts import prompt_of_ids

FP32 = Plain(torch.float32)
CHUNK = 16  # attention_chunk_size of the random Llama 4
PREFIX, QUESTION = tokens(5, 1), tokens(30, 2)
FIRST = [tokens(length, seed) for seed, length in enumerate((12, 30, 9), 10)]
SECOND = [tokens(length, seed) for seed, length in enumerate((3, 20), 20)]
PROMPT = prompt_of_ids(FIRST, SECOND)
IDS = np.concatenate((PREFIX, *FIRST, *SECOND))
assert len(IDS) == 4 * CHUNK + 15


class Model:
    def __init__(self, family: str, folder: Path) -> None:
        self.folder, self.theirs = folder, save_random(family, folder)
        loaded = load_model(folder)
        self.decoder, self.fingerprint = Decoder.from_weights(loaded.config, loaded.decoder), loaded.fingerprint
        self.fed = Fed(self.decoder)

    def reader(self, store: ChunkStore, codec: Codec = FP32) -> ExactReader:
        return ExactReader(RunReader(self.decoder, store, self.fingerprint, codec=codec), PREFIX)

    def prefill(self, reader: ExactReader, prompt: Prompt = PROMPT, deadline: float | None = None) -> list[PrefillEvent]:
        return list(stream(reader.prefill(prompt, deadline), self.decoder))

    def opened(self, reader: ExactReader, prompt: Prompt = PROMPT) -> tuple[torch.Tensor, int]:
        """The question's logits after the prompt, and how many tokens had to be read before it."""
        spent = Spent()
        cache = run(reader.open(prompt, len(QUESTION), spent), self.decoder)
        return logits_after(self.decoder, cache, QUESTION), spent.tokens

    def expected(self, ids: np.ndarray = IDS) -> torch.Tensor:
        return expected(self.theirs, np.concatenate((ids, QUESTION)), len(QUESTION))


@pytest.fixture(scope="module")
def llama4(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model("llama4_text", tmp_path_factory.mktemp("model"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChunkStore]:
    store = ChunkStore(tmp_path / "store", 50 << 20)
    yield store
    store.close()


def test_it_is_what_transformers_computes_of_the_whole_sequence(llama4: Model, store: ChunkStore) -> None:
    for read in (len(IDS), 0):
        logits, spent = llama4.opened(llama4.reader(store))
        same(logits, llama4.expected())
        assert spent == read


@pytest.mark.parametrize("family", ["llama", "smollm3"])
def test_it_cuts_the_prompt_anywhere_in_a_model_without_chunks(
    family: str, store: ChunkStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.exact.UNIT_TOKENS", 24)
    model = Model(family, tmp_path / "model")
    reader = model.reader(store)
    assert [event.tokens_done for event in model.prefill(reader)] == [19, 43, 67, 74]
    model.fed.take()
    logits, spent = model.opened(reader)
    same(logits, model.expected())
    assert (spent, model.fed.take()) == (0, len(QUESTION))


def test_it_tells_how_far_it_is_after_each_unit(llama4: Model, store: ChunkStore) -> None:
    told = llama4.prefill(llama4.reader(store))
    assert [event.tokens_done for event in told] == [11, 27, 43, 59, 74]
    assert [(event.document, event.chunks_done) for event in told] == [("d0", 0), ("d0", 1), ("d0", 2), ("d1", 4), ("d1", 5)]
    assert {(event.chunks, event.tokens) for event in told} == {(5, 74)}
    llama4.fed.take()
    assert llama4.prefill(llama4.reader(store)) == told
    assert llama4.fed.take() == 0


def test_it_keeps_the_global_layers_alone_at_a_boundary(llama4: Model, store: ChunkStore) -> None:
    llama4.prefill(llama4.reader(store))
    config = llama4.decoder.config
    a_token = 4 * 2 * config.kv_heads * config.head_dim
    values = [len(config.global_layers) * 16 * a_token + 28] * 4
    values.append((len(config.global_layers) + len(config.chunked_layers)) * 15 * a_token + 28)
    sizes = [len(store.get("state", key) or b"") for key in llama4.reader(store).keys(PROMPT)]
    assert sizes == values
    assert store.stats().bytes == sum(values)


def test_it_goes_on_where_a_deadline_ended_it(llama4: Model, store: ChunkStore) -> None:
    llama4.fed.take()
    for units in (1, 2, 3, 4, 5, 5):
        assert len(llama4.prefill(llama4.reader(store), deadline=0.0)) == units
    assert llama4.fed.take() == len(IDS), "no token is read twice"
    logits, spent = llama4.opened(llama4.reader(store))
    same(logits, llama4.expected())
    assert spent == 0


def test_a_longer_prompt_reads_on_from_the_last_boundary(llama4: Model, store: ChunkStore) -> None:
    llama4.prefill(llama4.reader(store))
    third = [tokens(13, 30)]
    logits, spent = llama4.opened(llama4.reader(store), prompt_of_ids(FIRST, SECOND, third))
    same(logits, llama4.expected(np.concatenate((IDS, *third))))
    assert spent == 15 + 13


OTHERS = {
    "another owner": (prompt_of_ids(FIRST, SECOND, salt="bob"), 79),
    "another order": (prompt_of_ids(SECOND, FIRST), 79),
    "another chunk near the end": (prompt_of_ids(FIRST, [tokens(3, 20), tokens(20, 99)]), 79 - 3 * CHUNK),
    "another first chunk": (prompt_of_ids([tokens(12, 99), *FIRST[1:]], SECOND), 79),
    "the same tokens in other chunks": (prompt_of_ids([np.concatenate((*FIRST, *SECOND))]), 0),
}


@pytest.mark.parametrize(("prompt", "read"), OTHERS.values(), ids=OTHERS)
def test_it_takes_only_what_has_the_same_tokens_before_it(llama4: Model, store: ChunkStore, prompt: Prompt, read: int) -> None:
    llama4.prefill(llama4.reader(store))
    logits, spent = llama4.opened(llama4.reader(store), prompt)
    ids = np.concatenate((PREFIX, *(document.ids for document in prompt.documents)))
    same(logits, llama4.expected(ids))
    assert spent == read


@pytest.mark.parametrize("unit", range(5))
def test_it_reads_a_damaged_unit_again_and_takes_those_after_it(llama4: Model, store: ChunkStore, unit: int) -> None:
    llama4.prefill(llama4.reader(store))
    key = llama4.reader(store).keys(PROMPT)[unit]
    with store._env.begin(write=True) as transaction:
        value = bytearray(transaction.get(key, db=store._tables.values["state"]))
        value[99] ^= 1
        transaction.put(key, bytes(value), db=store._tables.values["state"])
    for read in (15 if unit == 4 else CHUNK, 0):
        logits, spent = llama4.opened(llama4.reader(store))
        same(logits, llama4.expected())
        assert spent == read


@pytest.mark.parametrize("unit", range(5))
def test_it_prefills_only_what_is_missing(llama4: Model, store: ChunkStore, unit: int) -> None:
    llama4.prefill(llama4.reader(store))
    store.delete("state", [llama4.reader(store).keys(PROMPT)[unit]])
    llama4.fed.take()
    assert len(llama4.prefill(llama4.reader(store))) == 5
    assert llama4.fed.take() == (15 if unit == 4 else CHUNK)
    logits, spent = llama4.opened(llama4.reader(store))
    same(logits, llama4.expected())
    assert spent == 0


@pytest.mark.parametrize("missing", [(0, 3), (1, 2, 4), (0, 4), (2, 4)])
def test_it_fills_gaps_between_what_is_stored(llama4: Model, store: ChunkStore, missing: tuple[int, ...]) -> None:
    """As the store leaves them where it had to make room."""
    llama4.prefill(llama4.reader(store))
    keys = llama4.reader(store).keys(PROMPT)
    store.delete("state", [keys[unit] for unit in missing])
    llama4.fed.take()
    llama4.prefill(llama4.reader(store))
    assert llama4.fed.take() == sum(15 if unit == 4 else CHUNK for unit in missing)
    logits, spent = llama4.opened(llama4.reader(store))
    same(logits, llama4.expected())
    assert spent == 0


def test_it_answers_the_same_stored_in_bf16_or_not_yet(llama4: Model, store: ChunkStore) -> None:
    first, spent = llama4.opened(llama4.reader(store, BF16))
    assert spent == len(IDS)
    llama4.prefill(llama4.reader(store, BF16), deadline=0.0)
    again, spent = llama4.opened(llama4.reader(store, BF16))
    assert spent == 0
    assert torch.equal(first, again)
    assert 0 < float((again - llama4.expected()).abs().max()) < 2.0, "the rounding shows, and no more than it"
    assert llama4.opened(llama4.reader(store))[1] == len(IDS), "what was rounded is not taken for what was not"


def test_it_says_when_the_budget_is_too_small_and_answers_all_the_same(llama4: Model, tmp_path: Path) -> None:
    enough = ChunkStore(tmp_path / "enough", 50 << 20)
    llama4.prefill(llama4.reader(enough))
    little = ChunkStore(tmp_path / "little", enough.stats().bytes - 1)
    with pytest.raises(StoreFull, match=r"holds 59 of this prompt's 74 tokens; .* Raise the budget"):
        llama4.prefill(llama4.reader(little))
    assert little.stats().chunks == 4
    none = ChunkStore(tmp_path / "none", 100)
    for store, read in ((little, 15), (none, len(IDS))):
        logits, spent = llama4.opened(llama4.reader(store))
        same(logits, llama4.expected())
        assert spent == read


def test_units_that_are_missing_take_no_place_of_those_after_them(llama4: Model, tmp_path: Path) -> None:
    enough = ChunkStore(tmp_path / "enough", 50 << 20)
    llama4.prefill(llama4.reader(enough))
    store = ChunkStore(tmp_path / "store", enough.stats().bytes)
    reader = llama4.reader(store)
    llama4.prefill(reader)
    first = reader.keys(PROMPT)[0]
    size = len(store.get("state", first) or b"")
    store.delete("state", [first])
    store.put("state", b"another's" + bytes(23), bytes(size))
    _, spent = llama4.opened(reader)
    assert spent == CHUNK, "what comes after it is still there"
    assert store.missing("state", reader.keys(PROMPT)) == []


def test_it_refuses_what_the_model_cannot_read_in_one_piece(llama4: Model, store: ChunkStore) -> None:
    reader = llama4.reader(store)
    long = prompt_of_ids([tokens(1000, 1)])
    with pytest.raises(EngineError, match=r"needs 1,035 tokens in one piece and .* reads at most 1,024. Use isolated mode"):
        llama4.opened(reader, long)
    longer = prompt_of_ids([tokens(1020, 1)])
    with pytest.raises(EngineError, match="Use isolated mode"):
        llama4.prefill(reader, longer)
    assert store.stats().chunks == 0


def test_it_refuses_a_prompt_of_another_model_before_it_reads(llama4: Model, store: ChunkStore) -> None:
    prompt = prompt_of_ids(FIRST, [np.array([500], dtype=np.int32)])
    with pytest.raises(PromptUnreadable, match=r"Document d1 was parsed for another model\. Parse it again"):
        llama4.prefill(llama4.reader(store), prompt)
    assert store.stats().chunks == 0


def test_an_empty_prompt_is_the_prefix_alone(llama4: Model, store: ChunkStore) -> None:
    empty = replace(PROMPT, documents=())
    assert llama4.prefill(llama4.reader(store), empty) == []
    logits, _ = llama4.opened(llama4.reader(store), empty)
    same(logits, llama4.expected(PREFIX))


CODE = """
import sys
from pathlib import Path
import torch
from engine.cache.codec import Plain
from engine.cache.store import ChunkStore
from tests.engine.test_exact import PROMPT, QUESTION, Spent, RunReader, ExactReader, PREFIX, Decoder, Fed, load_model, logits_after, run

folder, store, out = map(Path, sys.argv[1:])
loaded = load_model(folder)
decoder = Decoder.from_weights(loaded.config, loaded.decoder)
fed, spent = Fed(decoder), Spent()
reader = ExactReader(RunReader(decoder, ChunkStore(store, 50 << 20), loaded.fingerprint, codec=Plain(torch.float32)), PREFIX)
cache = run(reader.open(PROMPT, len(QUESTION), spent), decoder)
print(fed.take(), spent.tokens, cache.length)
torch.save(logits_after(decoder, cache, QUESTION), out)
print(fed.take())
"""


def test_another_process_goes_on_from_the_store(llama4: Model, tmp_path: Path) -> None:
    store = ChunkStore(tmp_path / "store", 50 << 20)
    llama4.prefill(llama4.reader(store))
    store.close()
    command = [sys.executable, "-c", CODE, str(llama4.folder), str(tmp_path / "store"), str(tmp_path / "logits")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert told == ["0", "0", str(len(IDS)), str(len(QUESTION))], "the model is given the question's tokens and no other"
    same(torch.load(tmp_path / "logits"), llama4.expected())
