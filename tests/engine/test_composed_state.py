"""Composed prefill: chunks read alone, stored without their chunked layers, and put together in any order; beside transformers, dense."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.cache.codec import BF16, INT8, Codec, Plain
from engine.cache.kv_cache import COPY_TOKENS, KVCache
from engine.cache.packing import HEADER, there
from engine.cache.store import ChunkStore
from engine.composition import ComposedReader, Held, together
from engine.errors import EngineError, PromptUnreadable, StoreFull
from engine.events import PrefillEvent
from engine.loading.load import load_model
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.prompt import Prompt, TokenArray
from engine.runs import RunReader, Spent, chunks_of
from engine.steps import run, stream
from tests.engine.checkpoints import save_random
from tests.engine.composed_reference import composed_logits
from tests.engine.fed import Fed, logits_after, tokens
from tests.engine.prompts import prompt_of_ids

ATTENTION_CHUNK = 16
PREFIX, QUESTION = tokens(5, 1), tokens(21, 2)
# Shorter than an attention chunk, just as long, and longer: that one goes on in the next.
CHUNKS = [tokens(length, seed) for seed, length in enumerate((12, 16, 7, 37), 10)]
PROMPT = prompt_of_ids(CHUNKS[:2], CHUNKS[2:])
TOKENS = sum(map(len, CHUNKS))
EXACT, ROUNDED = 1e-12, 1e-5  # fp64; transformers takes angles and routers' scores in fp32 in any type


class Model:
    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        self.theirs = save_random("llama4_text", folder).to(dtype)
        loaded = load_model(folder, dtype=dtype)
        self.decoder, self.fingerprint = Decoder.from_weights(loaded.config, loaded.decoder), loaded.fingerprint
        self.fed = Fed(self.decoder)
        self.dtype = dtype

    def reader(self, store: ChunkStore, codec: Codec | None = None) -> ComposedReader:
        return ComposedReader(RunReader(self.decoder, store, self.fingerprint, codec=codec or Plain(self.dtype)), PREFIX)

    def prefill(self, reader: ComposedReader, prompt: Prompt = PROMPT, deadline: float | None = None) -> list[PrefillEvent]:
        return list(stream(reader.prefill(prompt, deadline), self.decoder))

    def asked(self, reader: ComposedReader, prompt: Prompt = PROMPT, spent: Spent | None = None) -> Tensor:
        """The question's logits over the whole prompt."""
        cache = run(reader.open(list(chunks_of(prompt)), prompt.salt, len(QUESTION), spent or Spent()), self.decoder)
        with torch.inference_mode():
            hidden = self.decoder(torch.from_numpy(QUESTION), [Segment(cache, len(QUESTION))])
            logits: Tensor = self.decoder.head(hidden)
        return logits

    def expected(self, chunks: list[TokenArray] = CHUNKS) -> Tensor:
        return composed_logits(self.theirs, [PREFIX, *chunks], QUESTION)


def difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


@pytest.fixture(scope="module")
def fp64(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(tmp_path_factory.mktemp("fp64"), torch.float64)


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(tmp_path_factory.mktemp("fp32"), torch.float32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChunkStore]:
    store = ChunkStore(tmp_path / "store", 50 << 20)
    yield store
    store.close()


def test_it_is_what_transformers_computes_of_all_under_a_mask(fp64: Model, store: ChunkStore) -> None:
    expected = fp64.expected()
    for stored in (False, True):
        apart = difference(fp64.asked(fp64.reader(store)), expected)
        print(f"largest logit difference {apart:.1e}, out of the store: {stored}")
        assert apart <= ROUNDED
    assert difference(fp64.expected(CHUNKS[:3]), expected) > 0.01


def test_chunks_stand_in_any_order(fp64: Model, store: ChunkStore) -> None:
    """The question's place is the same in every order, so its temperature is too."""
    expected = fp64.asked(fp64.reader(store))
    for order in permutations(CHUNKS):
        assert difference(fp64.asked(fp64.reader(store), prompt_of_ids(list(order))), expected) <= EXACT
    assert difference(fp64.asked(fp64.reader(store), prompt_of_ids(CHUNKS[:3])), expected) > 0.01


def test_nothing_is_read_twice_whatever_the_order_and_the_prompt(fp64: Model, store: ChunkStore) -> None:
    fp64.asked(fp64.reader(store))
    fp64.fed.take()
    spent, reader = Spent(), fp64.reader(store)
    fp64.asked(reader, prompt_of_ids(CHUNKS[::-1]), spent)
    fp64.asked(reader, prompt_of_ids([CHUNKS[0]], [CHUNKS[2], CHUNKS[0]]), spent)
    assert (spent.tokens, fp64.fed.take()) == (0, len(PREFIX) + 2 * len(QUESTION))
    fp64.asked(reader, prompt_of_ids([*CHUNKS[:3], tokens(9, 99)]), spent)
    assert spent.tokens == 9, "an added chunk costs itself"
    fp64.asked(reader, prompt_of_ids(CHUNKS, salt="bob"), spent)
    assert spent.tokens == 9 + TOKENS, "another owner shares nothing"


def test_it_stores_the_global_layers_alone(fp32: Model, store: ChunkStore) -> None:
    reader = fp32.reader(store)
    fp32.prefill(reader)
    config = fp32.decoder.config
    sizes = [len(store.get("state", reader.key(chunk, PROMPT.salt)) or b"") for chunk in chunks_of(PROMPT)]
    token = len(config.global_layers) * 2 * config.kv_heads * config.head_dim * 4
    assert sizes == [28 + len(chunk) * token for chunk in CHUNKS]
    assert config.layers == 4 * len(config.global_layers), "a quarter of all layers' bytes"


def test_it_prefills_what_is_missing_and_tells_of_every_chunk(fp32: Model, store: ChunkStore) -> None:
    told = fp32.prefill(fp32.reader(store))
    assert [(event.document, event.chunks_done, event.tokens_done) for event in told] == [
        ("d0", 1, 12), ("d0", 2, 28), ("d1", 3, 35), ("d1", 4, 72)
    ]  # fmt: skip
    fp32.fed.take()
    assert fp32.prefill(fp32.reader(store)) == told
    assert fp32.fed.take() == 0
    changed = prompt_of_ids(CHUNKS[:2], [tokens(8, 77), CHUNKS[3]])
    assert len(fp32.prefill(fp32.reader(store), changed)) == 4
    assert fp32.fed.take() == 8


def test_short_chunks_share_a_pass_and_a_deadline_ends_between_passes(
    fp32: Model, store: ChunkStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.composition.TURN_TOKENS", 30)
    passes: list[int] = []
    hook = fp32.decoder.layers[0].register_forward_pre_hook(lambda _, given: passes.append(len(given[0])))
    assert [len(fp32.prefill(fp32.reader(store), deadline=0.0)) for _ in range(4)] == [2, 3, 4, 4]
    hook.remove()
    assert passes == [28, 7, 37]
    sizes = [[len(chunk.ids) for chunk in group] for group in together(chunks_of(PROMPT), 35)]
    assert sizes == [[12, 16, 7], [37]]


@pytest.mark.parametrize("codec", [Plain(torch.float32), BF16], ids=["fp32", "bf16"])
def test_a_chunk_has_the_same_state_alone_and_in_a_pass_with_others(fp32: Model, tmp_path: Path, codec: Codec) -> None:
    together_, alone = ChunkStore(tmp_path / "together", 50 << 20), ChunkStore(tmp_path / "alone", 50 << 20)
    fp32.prefill(fp32.reader(together_, codec))
    for chunk in CHUNKS:
        fp32.prefill(fp32.reader(alone, codec), prompt_of_ids([chunk]))
    one, other = (fp32.asked(fp32.reader(store, codec)) for store in (together_, alone))
    assert difference(one, other) <= (1e-4 if codec is not BF16 else 0.05)


def test_it_answers_the_same_stored_in_bf16_or_not_yet(fp32: Model, store: ChunkStore) -> None:
    first = fp32.asked(fp32.reader(store, BF16))
    again = fp32.asked(fp32.reader(store, BF16))
    assert torch.equal(first, again)
    assert 0 < difference(again, fp32.expected()) < 2.0, "the rounding shows, and no more than it"


def test_it_reads_a_damaged_chunk_again(fp64: Model, store: ChunkStore) -> None:
    expected, reader, spent = fp64.asked(fp64.reader(store)), fp64.reader(store), Spent()
    key = reader.key(PROMPT.documents[1].chunk(0), PROMPT.salt)
    store.put("state", key, b"of another layout")
    assert difference(fp64.asked(reader, spent=spent), expected) <= EXACT
    assert spent.tokens == 7


def test_a_full_store_costs_the_reading_only(fp64: Model, tmp_path: Path) -> None:
    little = ChunkStore(tmp_path / "little", 100)
    assert difference(fp64.asked(fp64.reader(little)), fp64.expected()) <= ROUNDED
    with pytest.raises(StoreFull, match=r"holds 0 of this prompt's 72 tokens"):
        fp64.prefill(fp64.reader(little))


def test_it_refuses_a_prompt_of_another_model(fp64: Model, store: ChunkStore) -> None:
    prompt = prompt_of_ids([CHUNKS[0], np.array([500], dtype=np.int32)])
    for ask in (fp64.asked, fp64.prefill):
        with pytest.raises(PromptUnreadable, match=r"Document d0 was parsed for another model"):
            ask(fp64.reader(store), prompt)  # type: ignore[operator]


def test_it_refuses_a_model_whose_layers_all_have_positions(store: ChunkStore, tmp_path: Path) -> None:
    save_random("llama", tmp_path / "llama")
    loaded = load_model(tmp_path / "llama")
    decoder = Decoder.from_weights(loaded.config, loaded.decoder)
    with pytest.raises(EngineError, match=r"cannot read composed chunks.*reading='free'"):
        ComposedReader(RunReader(decoder, store, "llama"), PREFIX)
    with pytest.raises(EngineError, match="chunks of it cannot be composed"):
        decoder.new_cache().compose([])


# --- the cache ---


def test_it_copies_no_state_and_forks_share_all_of_it(fp32: Model, store: ChunkStore) -> None:
    chunks = [tokens(length, seed) for seed, length in enumerate((COPY_TOKENS + 1, 40), 50)]
    caches = [fp32.decoder.new_cache() for _ in chunks]
    for cache, ids in zip(caches, chunks, strict=True):
        logits_after(fp32.decoder, cache, ids)
    states = [cache.save().whole for cache in caches]
    lie = [state.data_ptr() for state in states]
    composed = fp32.decoder.new_cache()
    composed.compose(states, room=8)
    assert composed.length == 1072, "the next multiple of 16 after 1065"
    questions = [composed.fork() for _ in range(3)]
    first, *others = [logits_after(fp32.decoder, question, QUESTION) for question in questions]
    assert all(torch.equal(first, other) for other in others)
    for cache in (composed, *questions):
        assert [part.room.data_ptr() for part in cache.whole.parts[:2]] == lie
    before = [state.clone() for state in states]
    assert all(torch.equal(*pair) for pair in zip(states, before, strict=True))
    assert composed.length == 1072, "a fork is a sequence of its own"


def test_it_takes_a_question_back_and_no_composed_chunk(fp32: Model) -> None:
    cache, state = fp32.decoder.new_cache(), fp32.decoder.new_cache()
    logits_after(fp32.decoder, state, CHUNKS[3])
    cache.compose([state.save().whole])
    assert (cache.length, cache.whole.length) == (48, 37)
    expected = logits_after(fp32.decoder, cache, QUESTION)
    tail = cache.save(first=64)
    assert tail.whole.shape[3] == 5
    cache.truncate(48)
    assert difference(logits_after(fp32.decoder, cache, QUESTION), expected) <= 1e-5
    with pytest.raises(EngineError, match="put together as a whole"):
        cache.truncate(32)


# --- where the store lies ---


def places(cache: KVCache) -> list[int]:
    """Where in memory the composed parts lie, the prefix and the question's room left out."""
    return [part.room.data_ptr() for part in cache.whole.parts[1:-1]]


def test_it_reads_where_the_store_lies_as_long_as_a_cache_lives(fp32: Model, store: ChunkStore) -> None:
    reader = fp32.reader(store)
    fp32.prefill(reader)
    chunks = list(chunks_of(PROMPT))
    expected = fp32.asked(reader)
    cache = run(reader.open(chunks, PROMPT.salt, len(QUESTION), Spent()), fp32.decoder)
    keys = [reader.key(chunk, PROMPT.salt) for chunk in chunks]
    with store.reading() as reading:
        views = [reading.view("state", key) for key in keys]
        assert places(cache) == [there(view).data_ptr() + HEADER.size for view in views if view is not None]
        del views
    question = cache.fork()
    del cache
    gc.collect()
    store.delete("state", keys)
    for number in range(40):
        store.put("state", number.to_bytes(32), bytes(len(chunks) * 4096))
    assert difference(logits_after(fp32.decoder, question, QUESTION), expected) <= 1e-5
    held = question.whole.parts[1].owner
    assert isinstance(held, Held)
    ended = weakref.ref(held)
    del held, question
    gc.collect()
    assert ended() is None, "nothing holds the store's old pages any longer"


def test_it_copies_what_is_stored_in_other_numbers(fp32: Model, store: ChunkStore) -> None:
    for codec in (BF16, INT8):
        reader = fp32.reader(store, codec)
        first = fp32.asked(reader)
        cache = run(reader.open(list(chunks_of(PROMPT)), PROMPT.salt, 1, Spent()), fp32.decoder)
        assert {part.room.dtype for part in cache.whole.parts} == {torch.float32}
        assert torch.equal(fp32.asked(reader), first)
        assert 0 < difference(first, fp32.expected()) < 2.0


def test_a_store_may_close_before_what_was_read_of_it_goes(fp32: Model, tmp_path: Path) -> None:
    store = ChunkStore(tmp_path / "closed", 50 << 20)
    reader = fp32.reader(store)
    fp32.prefill(reader)
    cache = run(reader.open(list(chunks_of(PROMPT)), PROMPT.salt, 1, Spent()), fp32.decoder)
    store.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del cache
        gc.collect()
