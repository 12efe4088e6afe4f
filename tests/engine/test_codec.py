"""Codecs: how far stored numbers are from what they were, beside bounds worked out from the text, and how many bytes they take."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.cache.codec import BF16, INT4, INT8, RUN, Codec, Plain
from engine.cache.kv_cache import State
from engine.cache.packing import HEADER, Packing
from engine.cache.store import ChunkStore
from engine.composition import ComposedReader
from engine.loading.load import load_model
from engine.model.decoder import Decoder
from engine.prefill import ChunkReader
from engine.prompt import Chunk
from engine.runs import RunReader, Spent
from engine.steps import run, stream
from tests.engine.checkpoints import save_random
from tests.engine.fed import tokens
from tests.engine.prompts import prompt_of_ids

CODECS = (Plain(torch.float32), BF16, INT8, INT4)
SHAPE = (2, 3, 50, 8)  # layers, kv heads, tokens, head size


def part(seed: int = 1) -> Tensor:
    """Keys with channels far from 0 and of all sizes, values with tokens of all sizes, [N, 2, G, T, D]."""
    layers, heads, length, size = SHAPE
    torch.manual_seed(seed)
    found = torch.randn(layers, 2, heads, length, size)
    found[:, 0] = found[:, 0] * torch.logspace(-2, 2, size) + torch.linspace(-100, 100, size)
    found[:, 1] *= torch.logspace(-3, 2, length)[:, None]
    return found


def back(codec: Codec, numbers: Tensor, shape: tuple[int, int, int, int] = SHAPE) -> Tensor:
    stored = codec.encode(numbers)
    assert len(stored) == codec.stored_bytes(*shape)
    return codec.decode(torch.tensor(bytearray(stored), dtype=torch.uint8), shape)


def test_plain_numbers_come_back_as_they_were() -> None:
    assert torch.equal(back(Plain(torch.float32), part()), part())
    assert torch.equal(back(Plain(torch.float64), part().double()), part().double())
    assert torch.equal(back(BF16, part()), part().bfloat16())


def test_int8_is_within_half_a_step_of_every_number() -> None:
    """Keys: (greatest - least) / 255 of the channel; values: greatest / 127 of the token.
    fp16 moves the least value and the step a little."""
    numbers = part()
    keys, values = numbers.double().unbind(1)
    found_keys, found_values = back(INT8, numbers).double().unbind(1)
    least, most = keys.amin(2, keepdim=True), keys.amax(2, keepdim=True)
    step = (most - least) / 255
    fp16 = 2.0**-11
    assert ((found_keys - keys).abs() <= step / 2 + (most - least) * fp16 + least.abs() * fp16).all()
    scale = values.abs().amax(3, keepdim=True) / 127
    assert ((found_values - values).abs() <= scale / 2 + values.abs().amax(3, keepdim=True) * fp16).all()
    assert (found_keys - keys).abs().mean() > 0, "it does round"


@pytest.mark.parametrize("tokens", [1, RUN, RUN + 1, 50])
@pytest.mark.parametrize("size", [8, RUN, 64])
def test_int4_is_within_half_a_step_of_every_number(tokens: int, size: int) -> None:
    """(greatest - least) / 15 of the run that a number is in, worked out number by number."""
    torch.manual_seed(2)
    numbers = torch.randn(1, 2, 2, tokens, size) * torch.logspace(-2, 2, size) + torch.linspace(-10, 10, size)
    found = back(INT4, numbers, (1, 2, tokens, size))
    for place in torch.cartesian_prod(*map(torch.arange, numbers.shape)).tolist():
        layer, kind, head, token, channel = place
        first = (token if kind == 0 else channel) // RUN * RUN
        run = numbers[layer, kind, head]
        run = run[first : first + RUN, channel] if kind == 0 else run[token, first : first + RUN]
        step, most = float(run.max() - run.min()) / 15, float(run.abs().max())
        assert abs(float(found[*place] - numbers[*place])) <= step / 2 + 3 * most * 2.0**-11 + 1e-6, place


def test_int4_takes_five_bits_a_number() -> None:
    assert INT4.stored_bytes(7, 3, 384, 64) * 8 == 7 * 3 * 384 * 64 * 2 * 5


@pytest.mark.parametrize("codec", [INT8, INT4], ids=lambda codec: codec.name)
def test_it_takes_what_is_all_alike_empty_or_tiny(codec: Codec) -> None:
    shape = (2, 3, 5, 8)
    for value in (0.0, 1e-9, -3.0, 1000.0):
        found = back(codec, torch.full((2, 2, 3, 5, 8), value), shape)
        assert (found - value).abs().max() <= abs(value) / 1000 + 1e-8
    for shape in ((0, 3, 5, 8), (2, 3, 0, 8)):
        layers, heads, length, size = shape
        assert back(codec, torch.empty(layers, 2, heads, length, size), shape).shape == (layers, 2, heads, length, size)
    assert codec.encode(torch.empty(2, 2, 3, 0, 8)) == b""


@pytest.fixture(scope="module")
def scout(tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    """Random, with the layers and heads of Scout Mini: 30 layers of which 7 are global, 3 kv heads of 64."""
    folder = tmp_path_factory.mktemp("scout")
    heads = {"num_hidden_layers": 30, "num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 64, "hidden_size": 32}
    save_random("llama4_text", folder, **heads, attention_chunk_size=512, no_rope_layers=[1, 1, 1, 0] * 7 + [1, 1])
    loaded = load_model(folder)
    assert (loaded.config.layers, len(loaded.config.global_layers)) == (30, 7)
    return Decoder.from_weights(loaded.config, loaded.decoder)


@pytest.mark.parametrize("length", [448, 384, 256])
def test_a_token_takes_an_eighth_of_what_all_layers_take_in_bf16(scout: Decoder, tmp_path: Path, length: int) -> None:
    """State and a scan record of 128 bytes a token, as they lie in the store."""
    config, store, reads = scout.config, ChunkStore(tmp_path), 3
    reader = ComposedReader(RunReader(scout, store, "scout", codec=INT8), tokens(5, 1))
    prompt = prompt_of_ids([tokens(length, seed) for seed in range(reads)])
    list(stream(reader.prefill(prompt), scout))
    for document in prompt.documents:
        for chunk in document.chunks():
            store.put("scan", reader.key(chunk, prompt.salt), bytes(128 * len(chunk.ids)))
    all_layers = 2 * config.layers * config.kv_heads * config.head_dim * 2
    assert store.stats().chunks == store.stats().kinds["scan"].records == reads
    per_token = store.stats().bytes / (reads * length)
    print(f"{per_token:,.1f} bytes a token in chunks of {length}; all layers in bf16: {all_layers:,}")
    assert per_token <= all_layers / 8 == 2880
    store.close()


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("length", [3, 40, 512])
def test_what_was_just_read_is_what_comes_out_of_the_store(scout: Decoder, tmp_path: Path, codec: Codec, length: int) -> None:
    """Bit for bit, in a cache of bf16 too, where numbers that were rounded once would be rounded otherwise the second time."""
    one, prefix = Chunk("d0", 0, tokens(length, 3), 0, 0, 0), tokens(5, 1)
    for dtype in (torch.float32, torch.bfloat16):
        store = ChunkStore(tmp_path / str(dtype))
        reader = ChunkReader(scout, prefix, store, str(dtype), codec=codec)
        scout.kv_dtype = dtype
        first, again = (run(reader.open(one, "alice", 0, Spent()), scout) for _ in range(2))
        assert reader.spent.tokens == length, "the second time nothing is read"
        for before, after in zip(astuple(first.save(len(prefix))), astuple(again.save(len(prefix))), strict=True):
            assert (before is None) == (after is None)
            assert before is None or torch.equal(before, after)
        store.close()
    scout.kv_dtype = torch.float32


def test_a_record_of_another_codec_is_another_record(scout: Decoder, tmp_path: Path) -> None:
    store, one = ChunkStore(tmp_path), Chunk("d0", 0, tokens(30, 3), 0, 0, 0)
    readers = [ChunkReader(scout, tokens(5, 1), store, "scout", codec=codec) for codec in CODECS]
    assert len({reader.key(one, "alice") for reader in readers}) == len(CODECS)
    state = State(torch.randn(7, 2, 3, 507, 64), None)
    packed = [Packing(scout.config, codec).pack(state) for codec in CODECS]
    for value, codec in zip(packed, CODECS, strict=True):
        for other in CODECS:
            taken = Packing(scout.config, other).unpack(value, 5, 507)
            assert (taken is not None) == (other is codec)
        assert len(value) == HEADER.size + codec.stored_bytes(7, 3, 507, 64)
    store.close()
