"""The model that is trained, beside the engine's decoder and transformers' model of the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask

from engine.cache.codec import Plain
from engine.cache.store import ChunkStore
from engine.composition import ComposedReader
from engine.config import ModelConfig
from engine.errors import ModelDamaged
from engine.loading.scout_layout import ScoutLayout
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.prompt import TokenArray
from engine.runs import RunReader, Spent, chunks_of
from engine.steps import run
from tests.engine.fed import tokens
from tests.engine.prompts import prompt_of_ids
from tests.training.scout import LAYOUT, save_base
from training.scout_attention import block_mask, by_blocks, by_stretches
from training.scout_convert import Base, convert
from training.scout_model import ScoutModel
from training.scout_pack import Example, Pack, pack

EXACT = 1e-9
ROUNDED = 1e-4  # norms take their means in fp32
PREFIX, QUESTION = tokens(5, 1), tokens(21, 2)
# Shorter than an attention chunk, just as long, and longer: that one goes on in the next.
CHUNKS = [tokens(length, seed) for seed, length in enumerate((12, 16, 7, 37), 10)]
KINDS = ("read", "keep")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    made = convert(save_base(tmp_path_factory.mktemp("base")), LAYOUT)
    return Base(made.plain, made.config, {name: tensor.double() for name, tensor in made.weights.items()}, made.fingerprint)


def example(*runs: TokenArray, kind: str = "read", asks: bool = False) -> Example:
    return Example(kind, runs, np.ones(len(runs[-1]), dtype=np.float32), asks)


def ours(model: ScoutModel, packed: Pack) -> Tensor:
    with torch.inference_mode():
        batch = model.batch(packed)
        batch.cos.data, batch.sin.data = batch.cos.double(), batch.sin.double()
        return model.logits(model.hidden(batch))


def engines(config: ModelConfig, base: Base, ids: TokenArray) -> Tensor:
    decoder = Decoder.from_weights(config, base.weights)
    with torch.inference_mode():
        logits: Tensor = decoder.head(decoder(torch.from_numpy(ids), [Segment(decoder.new_cache(), len(ids))]))
    return logits


def difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).detach().abs().max())


def test_every_fourth_layer_is_global_and_has_no_positions(base: Base) -> None:
    assert base.config.global_layers == (3,)
    assert base.config.rope == base.config.chunked == (True, True, True, False, True, True)
    assert (base.config.attention_chunk, base.config.context) == (16, 4096)
    with pytest.raises(ModelDamaged, match="no Scout layout"):
        ScoutLayout().of(base.config)


@pytest.mark.parametrize("layout", ["plain", "config"])
def test_it_computes_what_the_engine_computes_of_one_text(base: Base, layout: str) -> None:
    """As the base was, with positions in every layer, and in the Scout layout, over more than one attention chunk."""
    config: ModelConfig = getattr(base, layout)
    ids = tokens(50, 3)
    found = ours(ScoutModel(config, base.weights), pack([example(ids)], KINDS, config.attention_chunk or len(ids)))
    assert difference(found, engines(config, base, ids)) < ROUNDED


def test_the_layouts_differ(base: Base) -> None:
    assert difference(engines(base.plain, base, tokens(50, 3)), engines(base.config, base, tokens(50, 3))) > 0.1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChunkStore]:
    store = ChunkStore(tmp_path / "store", 50 << 20)
    yield store
    store.close()


def test_composed_reading_is_what_the_engine_computes_over_stored_chunks(base: Base, store: ChunkStore) -> None:
    """With another example before and behind it in the same pack."""
    decoder = Decoder.from_weights(base.config, base.weights)
    reader = ComposedReader(RunReader(decoder, store, base.fingerprint, codec=Plain(torch.float64)), PREFIX)
    prompt = prompt_of_ids(CHUNKS)
    cache = run(reader.open(list(chunks_of(prompt)), prompt.salt, len(QUESTION), Spent()), decoder)
    with torch.inference_mode():
        expected = decoder.head(decoder(torch.from_numpy(QUESTION), [Segment(cache, len(QUESTION))]))
    runs = PREFIX, *CHUNKS, QUESTION
    packed = pack([example(tokens(30, 4)), example(*runs, asks=True), example(tokens(9, 5))], KINDS, 16)
    found = ours(ScoutModel(base.config, base.weights), packed)
    end = 30 + sum(map(len, runs))
    assert difference(found[end - len(QUESTION) : end], expected) < ROUNDED
    alone = ours(ScoutModel(base.config, base.weights), pack([example(QUESTION)], KINDS, 16))
    assert difference(alone, expected) > 0.1


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_both_ways_to_attend_are_one_masked_softmax() -> None:
    """The kernel for GPUs has no way back on a CPU: there only its result is compared."""
    packed = pack([example(PREFIX, *CHUNKS, QUESTION, asks=True), example(tokens(40, 4))], KINDS, 16)
    torch.manual_seed(0)
    q, k, v = (torch.randn(packed.tokens, heads, 16, dtype=torch.float64, requires_grad=True) for heads in (6, 2, 2))
    order = torch.arange(packed.tokens)
    for first in (packed.near, packed.far):
        unseen = (order > order[:, None]) | (order < torch.from_numpy(first)[:, None])
        scores = torch.einsum("qgrd,kgd->grqk", q.unflatten(1, (2, 3)), k) / 4
        expected = torch.einsum("grqk,kgd->qgrd", scores.masked_fill(unseen, -torch.inf).softmax(-1), v).flatten(1, 2)
        mixed = by_stretches(first)(q, k, v)
        blocks = by_blocks(first, torch.device("cpu"), compiled=False)(q.detach(), k.detach(), v.detach())
        assert max(difference(mixed, expected), difference(blocks, expected)) < EXACT
        grads = [torch.autograd.grad(each.square().sum(), (q, k, v)) for each in (mixed, expected)]
        assert max(difference(*pair) for pair in zip(*grads, strict=True)) < EXACT


@pytest.mark.parametrize("tokens_", [1024, 1000])
def test_the_kernel_is_told_the_blocks_that_torch_would_find(tokens_: int) -> None:
    """Runs that end inside blocks and on their edges, an attention chunk inside a run, and a question over several runs."""
    runs = [tokens(length, length) for length in (128, 300, 20, 8)]
    rest = tokens_ - 256 - sum(map(len, runs))
    packed = pack([example(tokens(256, 2)), example(*runs, asks=True), example(tokens(rest, 3))], KINDS, 280)
    for first in (packed.near, packed.far):
        found, begin = block_mask(first, torch.device("cpu")), torch.from_numpy(first)
        expected = create_block_mask(lambda b, h, q, k: (k <= q) & (k >= begin[q]), None, None, tokens_, tokens_, device="cpu")  # noqa: B023
        assert found.shape == expected.shape
        for part in ("kv_num_blocks", "full_kv_num_blocks", "q_num_blocks", "full_q_num_blocks"):
            assert torch.equal(getattr(found, part), getattr(expected, part)), part
        assert torch.equal(found.to_dense(), expected.to_dense())
        assert (found.full_kv_num_blocks > 0).any()


def test_the_loss_is_that_of_the_weighted_tokens(base: Base) -> None:
    weights = np.zeros(len(QUESTION), dtype=np.float32)
    weights[-4:] = 1.0, 2.0, 0.0, 1.0
    packed = pack([Example("read", (PREFIX, *CHUNKS, QUESTION), weights, asks=True), example(tokens(9, 5), kind="keep")], KINDS, 16)
    model = ScoutModel(base.config, base.weights)
    logits = ours(model, packed).log_softmax(-1)
    nats = -logits[torch.arange(packed.tokens - 1), torch.from_numpy(packed.ids[1:])]
    counted = torch.from_numpy(packed.weights[1:])
    loss = model.double().loss(model.batch(packed), len(KINDS))
    assert counted.nonzero().numel() == 3 + 8
    assert float(loss.mean.detach()) == pytest.approx(float((nats * counted).sum() / counted.sum()), abs=1e-5)
    assert loss.counts.tolist() == [3, 8]
    assert float(loss.sums[1]) == pytest.approx(float(nats[-8:].sum()), abs=1e-4)


@pytest.mark.parametrize("low_rank", [0, 2])
def test_only_matrices_are_trained(base: Base, low_rank: int) -> None:
    weights = {name: tensor.float() for name, tensor in base.weights.items()}
    model = ScoutModel(base.config, weights, low_rank=low_rank, matrices=("attention.qkv", "feed_forward.down"), recompute=True)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.weights().items())
    optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=0.1)
    for _ in range(2):
        model.loss(model.batch(pack([example(tokens(40, 4))], KINDS, 16)), len(KINDS)).mean.backward()
        optimizer.step()
        optimizer.zero_grad()
    changed = {name for name, tensor in model.weights().items() if not torch.equal(tensor, weights[name])}
    assert changed == {f"layers.{layer}.{name}.weight" for layer in range(6) for name in ("attention.qkv", "feed_forward.down")}
    for name in changed if low_rank else ():
        assert torch.linalg.matrix_rank((model.weights()[name] - weights[name]).double(), rtol=1e-4) <= low_rank
