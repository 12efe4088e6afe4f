"""Attention of many new tokens through compiled loops beside torch's own in fp32, and a token's result beside itself read otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.config import ModelConfig
from engine.model.attention import attend_reference
from engine.model.many import ROWS
from engine.model.rooms import FEW_TOKENS, Rooms
from engine.model.vectors import HAS_HALVES
from tests.engine.tiny import CONFIG

pytestmark = pytest.mark.skipif(not HAS_HALVES, reason="the processor has no products of bf16 (AVX512-BF16): torch attends there")
BF16 = torch.bfloat16


def config(size: int = 64) -> ModelConfig:
    return replace(CONFIG, heads=6, kv_heads=2, head_dim=size)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def filled(lengths: list[int], size: int = 64, dtype: torch.dtype = BF16) -> KVCache:
    """A cache of these parts, one after another, each but the last shared."""
    cache = KVCache(config(size), dtype, torch.device("cpu"))
    for number, tokens in enumerate(lengths):
        if number:
            cache = cache.fork()
            cache.whole.open(1)
        cache.whole.extend(random(3, 2, 2, tokens, size, seed=number).to(dtype))
        cache.length += tokens
    return cache


def attended(caches: list[KVCache], tokens: list[int], heads: Tensor, layer: int = 0) -> Tensor:
    """[T, H, D] of one layer for queries, keys and values [T, H + 2G, D]; the caches' tokens settle."""
    for cache, count in zip(caches, tokens, strict=True):
        cache.begin(count)
    rooms = Rooms.of(caches, tokens, chunked=False)
    assert rooms is not None
    out = rooms.attend(layer, *heads.split([6, 2, 2], 1))
    for cache, count in zip(caches, tokens, strict=True):
        cache.advance(count)
    return out


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("tokens", [[9], [ROWS], [ROWS + 1], [200], [64, 9, 65], [1, 70, FEW_TOKENS]], ids=str)
def test_it_attends_as_torch_does_over_parts_of_the_same_keys(tokens: list[int], size: int) -> None:
    lengths = [[40], [5, 300, 7], [64]][: len(tokens)]
    heads = random(sum(tokens), 10, size, seed=9)
    caches, others = ([filled(each, size) for each in lengths] for _ in range(2))
    ours = attended(caches, tokens, heads, layer=1)
    first = 0
    for cache, other, count in zip(caches, others, tokens, strict=True):
        q, k, v = (each.transpose(0, 1) for each in heads[first : first + count].split([6, 2, 2], 1))
        with torch.inference_mode():
            other.begin(count)
            (run,) = other.write(1, k, v)
            expected = attend_reference(q, [(k.float(), v.float()) for k, v in run.parts])
            other.advance(count)
        # Queries and weights are rounded to bf16: 2^-9 of each number at most.
        torch.testing.assert_close(ours[first : first + count], expected.transpose(0, 1), rtol=2e-2, atol=8e-3)
        assert torch.equal(cache.whole.state()[1], other.whole.state()[1])
        first += count


def test_a_token_gets_the_same_bits_alone_packed_and_in_pieces() -> None:
    heads = random(230, 10, 64)
    alone = attended([filled([33])], [230], heads)
    packed = attended([filled([7]), filled([33]), filled([90])], [50, 230, 2], torch.cat((random(50, 10, 64, seed=5), heads, heads[:2])))
    assert torch.equal(packed[50:280], alone)
    cache = filled([33])
    pieces = [attended([cache], [len(piece)], piece) for piece in heads.split([100, 37, 93])]
    assert torch.equal(torch.cat(pieces), alone)


def test_what_is_no_number_stays_none_and_spoils_no_token_before_it() -> None:
    heads = random(70, 10, 64)
    whole = attended([filled([3])], [70], heads)
    heads[60, 6] = torch.nan  # the key of the first kv head
    broken = attended([filled([3])], [70], heads)
    assert torch.equal(broken[:60], whole[:60])
    assert bool(broken[60:, :3].isnan().all())
    assert torch.equal(broken[:, 3:], whole[:, 3:])


@pytest.mark.parametrize(("size", "dtype"), [(48, BF16), (64, torch.float32)])
def test_it_leaves_other_sizes_and_types_to_torch(size: int, dtype: torch.dtype) -> None:
    cache = filled([4], size, dtype)
    cache.begin(FEW_TOKENS + 1)
    assert Rooms.of([cache], [FEW_TOKENS + 1], chunked=False) is None
