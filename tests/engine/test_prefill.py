"""Isolated prefill: what a chunk's state is, read now or out of the store, in models with and without chunked layers. fp32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.cache.codec import Codec, Plain
from engine.cache.store import ChunkStore
from engine.chat_format import Asked
from engine.errors import PromptUnreadable, StoreFull
from engine.events import PrefillEvent
from engine.loading.load import LoadedModel, load_model
from engine.locate import look_at
from engine.model.decoder import Decoder
from engine.places import Place
from engine.prefill import ChunkReader
from engine.prompt import Chunk, ImageSegment, TokenArray
from engine.runs import Run, Spent
from engine.steps import run, stream
from tests.engine.checkpoints import save_random
from tests.engine.fed import Fed, expected, logits_after, same, tokens
from tests.engine.prompts import prompt_of_ids

FP32 = Plain(torch.float32)
CHUNK = 16  # attention_chunk_size of the random Llama 4
PREFIX, QUESTION = tokens(5, 1), tokens(30, 2)
# Within the prefix's attention chunk, up to its boundary, past it, past several, up to another.
LENGTHS = (3, 11, 12, 40, 43)


class Model:
    def __init__(self, family: str, folder: Path) -> None:
        self.theirs: Any = save_random(family, folder)
        self.loaded: LoadedModel = load_model(folder)
        self.decoder = Decoder.from_weights(self.loaded.config, self.loaded.decoder)
        self.fed = Fed(self.decoder)

    def reader(self, store: ChunkStore, codec: Codec = FP32) -> ChunkReader:
        return ChunkReader(self.decoder, PREFIX, store, self.loaded.fingerprint, codec=codec)

    def expected(self, chunk: Chunk) -> torch.Tensor:
        return expected(self.theirs, np.concatenate((PREFIX, chunk.ids, QUESTION)), len(QUESTION))


@pytest.fixture(scope="module", params=["llama4_text", "llama", "smollm3"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(request.param, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def llama4(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model("llama4_text", tmp_path_factory.mktemp("model"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChunkStore]:
    store = ChunkStore(tmp_path / "store", 50 << 20)
    yield store
    store.close()


def chunk(length: int, seed: int = 3) -> Chunk:
    return Chunk("d0", 0, tokens(length, seed), 0, 0, 0)


def opened(reader: ChunkReader, chunk: Chunk, model: Model, salt: str = "alice") -> tuple[torch.Tensor, int]:
    """The question's logits after the chunk, and how many tokens of it had to be read for that."""
    spent = Spent()
    cache = run(reader.open(chunk, salt, len(QUESTION), spent), model.decoder)
    return logits_after(model.decoder, cache, QUESTION), spent.tokens


@pytest.mark.parametrize("length", LENGTHS)
def test_it_reads_a_chunk_after_the_prefix_and_takes_it_from_the_store_later(model: Model, store: ChunkStore, length: int) -> None:
    logits, read = opened(model.reader(store), chunk(length), model)
    same(logits, model.expected(chunk(length)))
    assert read == length
    model.fed.take()
    logits, read = opened(model.reader(store), chunk(length), model)
    same(logits, model.expected(chunk(length)))
    assert read == 0
    assert model.fed.take() == len(PREFIX) + len(QUESTION)


def test_it_answers_after_many_chunks_from_one_prefix(model: Model, store: ChunkStore) -> None:
    reader = model.reader(store)
    chunks = [chunk(length, seed) for seed, length in enumerate(LENGTHS, 10)]
    model.fed.take()
    for _ in range(2):
        caches = [run(reader.open(one, "alice", len(QUESTION), Spent()), model.decoder) for one in chunks]
        for one, cache in reversed(list(zip(chunks, caches, strict=True))):
            same(logits_after(model.decoder, cache, QUESTION), model.expected(one))
    assert model.fed.take() == len(PREFIX) + sum(LENGTHS) + 2 * len(LENGTHS) * len(QUESTION), "prefix and chunks are read once"


@pytest.mark.parametrize("length", LENGTHS)
def test_it_stores_bf16_unless_told_otherwise(model: Model, store: ChunkStore, length: int) -> None:
    reader = ChunkReader(model.decoder, PREFIX, store, model.loaded.fingerprint)
    first, _ = opened(reader, chunk(length), model)
    again, read = opened(reader, chunk(length), model)
    config = model.decoder.config
    open_tokens = min((len(PREFIX) + length) % CHUNK, length) if config.attention_chunk else 0
    a_layer = 2 * 2 * config.kv_heads * config.head_dim
    layers = len(config.global_layers) * length + len(config.chunked_layers) * open_tokens
    assert store.stats().bytes == layers * a_layer + 28
    assert read == 0
    assert torch.equal(first, again), "an answer does not depend on whether the chunk was stored"
    assert 0 < float((first - model.expected(chunk(length))).abs().max()) < 1.0, "the rounding shows, and no more than it"
    assert reader.key(chunk(length), "alice") != model.reader(store).key(chunk(length), "alice")
    _, read = opened(model.reader(store), chunk(length), model)
    assert read == length, "what was rounded is not taken for what was not"


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "too short": lambda value: value[:-4],
    "too long": lambda value: value + bytes(4),
    "empty": lambda value: b"",
    "no header": lambda value: value[28:],
    "another layout of as many bytes": lambda value: value[:20] + value[24:28] + value[20:24] + value[28:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("length", [12, 40])
def test_it_reads_again_what_is_not_laid_out_as_it_must_be(
    model: Model, store: ChunkStore, damage: Callable[[bytes], bytes], length: int
) -> None:
    reader, one = model.reader(store), chunk(length)
    opened(reader, one, model)
    key = reader.key(one, "alice")
    whole = store.get("state", key)
    assert whole is not None
    store.put("state", key, damage(whole))
    logits, read = opened(reader, one, model)
    same(logits, model.expected(one))
    assert read == length
    assert opened(reader, one, model)[1] == 0, "and it is stored as it must be now"


def test_it_reads_for_each_owner_and_after_each_prefix_anew(llama4: Model, store: ChunkStore) -> None:
    opened(llama4.reader(store), chunk(12), llama4)
    assert opened(llama4.reader(store), chunk(12), llama4, salt="bob")[1] == 12
    other = ChunkReader(llama4.decoder, PREFIX[:4], store, llama4.loaded.fingerprint, codec=FP32)
    assert opened(other, chunk(12), llama4)[1] == 12
    another = ChunkReader(llama4.decoder, PREFIX, store, "another model", codec=FP32)
    assert opened(another, chunk(12), llama4)[1] == 12


CHUNKS = [tokens(length, seed) for seed, length in enumerate((12, 30, 9), 20)]


def events(model: Model, reader: ChunkReader, deadline: float | None = None, *documents: list[TokenArray]) -> list[PrefillEvent]:
    return list(stream(reader.prefill(prompt_of_ids(*(documents or (CHUNKS[:2], CHUNKS[2:]))), deadline), model.decoder))


def test_it_prefills_what_questions_open(model: Model, store: ChunkStore) -> None:
    reader = model.reader(store)
    assert events(model, reader) == [
        PrefillEvent("d0", 1, 3, 12, 51),
        PrefillEvent("d0", 2, 3, 42, 51),
        PrefillEvent("d1", 3, 3, 51, 51),
    ]
    model.fed.take()
    assert len(events(model, reader)) == 3
    assert model.fed.take() == 0
    for ids in CHUNKS:
        logits, read = opened(reader, replace(chunk(1), ids=ids), model)
        assert read == 0
        same(logits, model.expected(replace(chunk(1), ids=ids)))


def test_it_ends_at_a_deadline_and_goes_on_from_there(llama4: Model, store: ChunkStore) -> None:
    reader = llama4.reader(store)
    assert [len(events(llama4, reader, 0.0)) for _ in range(4)] == [1, 2, 3, 3]


def test_it_counts_all_that_is_stored_against_the_budget(llama4: Model, tmp_path: Path) -> None:
    sizes = [llama4.reader(ChunkStore(tmp_path / "any")).runs.stored_bytes(len(PREFIX), Run(ids)) for ids in CHUNKS]
    enough, little = ChunkStore(tmp_path / "enough", sum(sizes)), ChunkStore(tmp_path / "little", sum(sizes) - 1)
    assert len(events(llama4, llama4.reader(enough))) == 3
    assert enough.stats().bytes == sum(sizes)
    with pytest.raises(StoreFull, match=r"holds 42 of this prompt's 51 tokens; .* Raise the budget"):
        events(llama4, llama4.reader(little))
    assert little.stats().chunks == 2
    assert opened(llama4.reader(little), replace(chunk(1), ids=CHUNKS[0]), llama4)[1] == 0, "what was kept stays"


def test_it_answers_though_the_store_is_full(llama4: Model, tmp_path: Path) -> None:
    reader = llama4.reader(ChunkStore(tmp_path / "full", 100))
    for _ in range(2):
        logits, read = opened(reader, chunk(12), llama4)
        same(logits, llama4.expected(chunk(12)))
        assert read == 12


def test_what_a_question_looks_at_makes_no_room_for_it(llama4: Model, tmp_path: Path) -> None:
    """A located chunk that has to be read takes the place of others, not of those that are opened after it."""
    located, stored, other = (Chunk("d0", number, tokens(20, 30 + number), 0, 0, 0) for number in range(3))
    size = llama4.reader(ChunkStore(tmp_path / "any")).runs.stored_bytes(len(PREFIX), Run(located.ids))
    reader = llama4.reader(ChunkStore(tmp_path / "two", 2 * size))
    for chunk in (stored, other):
        opened(reader, chunk, llama4)
    spent, prompt = Spent(), prompt_of_ids([located.ids, stored.ids, other.ids])
    asked = Asked(QUESTION, 2, len(QUESTION))
    run(look_at(reader, prompt, [Place(located, 1.0, None), Place(stored, 1.0, None)], asked, 0.0, spent), llama4.decoder)
    assert spent.tokens == 20, "the stored one is taken from the store"
    assert [reader.store.has("state", reader.key(chunk, "alice")) for chunk in (located, stored, other)] == [True, True, False]


def test_it_reads_no_chunk_of_another_vocabulary(llama4: Model, store: ChunkStore) -> None:
    strange = replace(chunk(9), ids=np.array([5, 128, 6], dtype=np.int32))
    with pytest.raises(PromptUnreadable, match=r"Document d0 was parsed for another model\. Parse it again"):
        opened(llama4.reader(store), strange, llama4)
    with pytest.raises(PromptUnreadable, match="parsed for another model"):
        events(llama4, llama4.reader(store), None, [strange.ids])


def test_it_reads_no_page_image_with_a_model_that_does_not_see(llama4: Model, store: ChunkStore) -> None:
    seen = replace(chunk(9), images=(ImageSegment(Path("p.png"), "digest", 0, 5, (1, 1)),))
    with pytest.raises(PromptUnreadable, match=r"Document d0 has page images in its prompt, and .* sees none. Parse it again"):
        opened(llama4.reader(store), seen, llama4)
    assert store.stats().chunks == 0
