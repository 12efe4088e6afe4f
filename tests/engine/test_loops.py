"""The compiled loops beside torch's own operations, and a row alone beside the same row among others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.config import ModelConfig
from engine.model.attention import attend_reference
from engine.model.few_rows import multiplied
from engine.model.loops import SIGN, fits, gated, normed, rounded, turned
from engine.model.rooms import FEW_TOKENS, Rooms
from engine.model.vectors import byte_lanes
from tests.engine.tiny import CONFIG

ROWS = [1, 2, 7, 300]
EPS = torch.tensor(1e-5)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("n", [1, 37, 576])
def test_rows_are_normed_as_torch_norms_them(rows: int, n: int) -> None:
    x, weight = random(rows, n), random(n, seed=1)
    torch.testing.assert_close(normed(x, weight, EPS), F.rms_norm(x, (n,), weight, float(EPS)))
    torch.testing.assert_close(normed(x, None, EPS), F.rms_norm(x, (n,), None, float(EPS)))
    three = random(rows, 3, n)[:, :2]
    torch.testing.assert_close(normed(three, None, EPS), F.rms_norm(three, (n,), None, float(EPS)))


@pytest.mark.parametrize("rows", ROWS)
def test_gates_are_those_of_torch(rows: int) -> None:
    x = random(rows, 2 * 75) * 30
    x[0, :6] = torch.tensor([0.0, -0.0, 200, -200, 87, -87])
    gate, up = x.chunk(2, -1)
    torch.testing.assert_close(gated(x), F.silu(gate) * up, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("rows", ROWS)
def test_heads_are_turned_in_halves(rows: int) -> None:
    x, cos, sin = random(rows, 5, 24), random(rows, 1, 24, seed=1), random(rows, 1, 24, seed=2)
    for part in (x, x[:, :3]):
        torch.testing.assert_close(turned(part, cos, sin), part * cos + part.roll(12, -1) * sin)


@pytest.mark.parametrize("rows", ROWS)
def test_the_largest_number_of_a_row_is_127_steps(rows: int) -> None:
    x = random(rows, 130) * torch.logspace(-6, 6, rows)[:, None]
    whole, step = rounded(x)
    assert torch.equal(whole.abs().amax(1), torch.full((rows,), 127, dtype=torch.int8))
    torch.testing.assert_close(step[:, 0], x.abs().amax(1) / 127, rtol=1e-4, atol=1e-12)
    assert bool(((whole * step - x).abs() <= step * 0.5001).all())
    longer, steps = rounded(x, rows + 3)
    assert torch.equal(longer[:rows], whole)
    assert torch.equal(steps[:rows], step)
    assert len(longer) == len(steps) == rows + 3
    unsigned, steps = rounded(x, unsigned=True)
    assert torch.equal(unsigned.int() - SIGN, whole.int())
    assert torch.equal(steps, step)


@pytest.mark.parametrize("tokens", [1, 2, 3, 4, 5, 9, 63])
@pytest.mark.parametrize(("n", "outputs"), [(577, 90), (576, 90), (576, 92), (64, 4), (1536, 400)])
def test_the_loops_product_is_the_bare_one_bit_for_bit(tokens: int, n: int, outputs: int) -> None:
    x, columns = random(tokens, n), random(outputs, seed=1).abs()
    weights = torch.randint(-128, 128, (outputs, n), generator=torch.Generator().manual_seed(2), dtype=torch.int8)
    whole, step = rounded(x)
    product = torch.from_numpy(whole.numpy().astype("int32") @ weights.numpy().astype("int32").T)
    assert torch.equal(multiplied(x, weights, weights.sum(1, dtype=torch.int32), columns), product.float() * columns * step)


@pytest.mark.parametrize(
    "loop",
    [
        lambda x: normed(x, None, EPS),
        lambda x: rounded(x)[0],
        gated,
        lambda x: turned(x.view(len(x), 2, -1), torch.ones(len(x), 1, 50), torch.ones(len(x), 1, 50)),
    ],
    ids=["normed", "rounded", "gated", "turned"],
)
def test_a_row_alone_is_bit_for_bit_what_it_is_among_others(loop: Callable[[Tensor], Tensor]) -> None:
    x = random(400, 100)
    together = loop(x)
    assert all(torch.equal(loop(x[row : row + 1])[0], together[row]) for row in (0, 199, 200, 399))


def test_what_is_no_number_stays_none_and_spoils_no_other_row() -> None:
    x = random(3, 64)
    x[1, 5] = torch.nan
    weights, sums = torch.ones(4, 64, dtype=torch.int8), torch.full((4,), 64, dtype=torch.int32)
    for ours in (normed(x, None, EPS), gated(x)[:, 5:6], multiplied(x, weights, sums, torch.ones(4))):
        assert bool(ours[1].isnan().all())
        assert bool(ours[::2].isfinite().all())


@pytest.mark.parametrize(("features", "lanes"), [({"avx512vnni": True, "avxvnni": True}, 16), ({"avxvnni": True}, 8), ({"avx2": True}, 0)])
def test_it_knows_what_products_of_bytes_the_processor_has(features: dict[str, bool], lanes: int) -> None:
    assert byte_lanes(features) == lanes


def test_they_take_fp32_on_the_processor_that_wants_no_gradient() -> None:
    assert fits(torch.ones(2))
    assert not fits(torch.ones(2, dtype=torch.bfloat16))
    assert not fits(torch.ones(2, dtype=torch.float64))
    assert not fits(torch.ones(2, requires_grad=True))
    assert not fits(torch.ones(2, device="meta"))


# --- attention of a few tokens ---


def filled(config: ModelConfig, dtype: torch.dtype, lengths: list[int]) -> KVCache:
    """A cache of these parts, one after another, each but the last shared."""
    cache = KVCache(config, dtype, torch.device("cpu"))
    for number, tokens in enumerate(lengths):
        if number:
            cache = cache.fork()
            cache.whole.open(1)
        shape = config.layers, 2, config.kv_heads, tokens, config.head_dim
        cache.whole.extend(random(*shape, seed=number).to(dtype))
        cache.length += tokens
    return cache


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("tokens", [[1], [3], [1, 1, 1, 1], [2, FEW_TOKENS, 1]])
def test_it_attends_as_torch_does_over_every_layer_and_part(tokens: list[int], dtype: torch.dtype) -> None:
    config = CONFIG
    lengths = [[40], [0], [5, 300, 7], [1, 1]][: len(tokens)]
    caches = [filled(config, dtype, [count for count in each if count]) for each in lengths]
    others = [cache.fork() for cache in caches]
    for each in (caches, others):
        for cache, count in zip(each, tokens, strict=True):
            cache.begin(count)
    rooms = Rooms.of(caches, tokens, chunked=False)
    assert rooms is not None
    for layer in range(config.layers):
        heads = random(sum(tokens), config.heads + 2 * config.kv_heads, config.head_dim, seed=9 + layer)
        q, k, v = heads.split([config.heads, config.kv_heads, config.kv_heads], 1)
        ours = rooms.attend(layer, q, k, v)
        expected = []
        placed = zip(others, *(torch.split(each.transpose(0, 1), tokens, 1) for each in (q, k, v)), strict=True)
        for cache, own_q, own_k, own_v in placed:
            (run,) = cache.write(layer, own_k, own_v)
            expected.append(attend_reference(own_q, [(k.float(), v.float()) for k, v in run.parts]))
        torch.testing.assert_close(ours, torch.cat(expected, 1).transpose(0, 1), rtol=1e-5, atol=2e-6)
    for cache, other, count in zip(caches, others, tokens, strict=True):
        cache.advance(count)
        other.advance(count)
        assert torch.equal(cache.whole.state(), other.whole.state())


def test_many_tokens_are_not_its_work() -> None:
    cache = filled(CONFIG, torch.bfloat16, [4])
    cache.begin(FEW_TOKENS + 1)
    assert Rooms.of([cache], [FEW_TOKENS + 1], chunked=False) is None


def test_it_leaves_types_that_it_does_not_know_to_torch() -> None:
    cache = filled(CONFIG, torch.float64, [4])
    cache.begin(1)
    assert Rooms.of([cache], [1], chunked=False) is None
