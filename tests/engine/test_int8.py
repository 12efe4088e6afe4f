"""The int8 product beside whole numbers in numpy, and whole models in int8 beside themselves in fp32."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.loading.load import load_model
from engine.model.decoder import Decoder, Segment
from engine.model.linear import Int8Linear, Linear, cpu_has_int8, to_int8
from tests.architecture.source import ROOT
from tests.engine.checkpoints import VOCAB, save_random

needs_int8 = pytest.mark.skipif(not cpu_has_int8(), reason="the processor has no VNNI: sums of bytes can overflow there")
LARGEST = 127


def integers(rows: int, columns: int, seed: int) -> Tensor:
    """-127..127, each row reaching one of these."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(-LARGEST, LARGEST + 1, (rows, columns), generator=generator)
    ends = torch.randint(0, 2, (rows,), generator=generator) * 2 * LARGEST - LARGEST
    values[torch.arange(rows), torch.randint(0, columns, (rows,), generator=generator)] = ends
    return values


def around(values: Tensor, scales: Tensor, seed: int) -> Tensor:
    """fp32 values that round to these whole numbers of `scales`, one a row; the largest of a row is exact."""
    off = torch.rand(values.shape, generator=torch.Generator().manual_seed(seed)) * 0.8 - 0.4
    return (values + off * (values.abs() < LARGEST)) * scales[:, None]


def product(x: Tensor, x_scales: Tensor, weight: Tensor, weight_scales: Tensor) -> Tensor:
    """In whole numbers of 64 bits, scaled in fp64."""
    whole = x.numpy().astype(np.int64) @ weight.numpy().astype(np.int64).T
    return torch.from_numpy(whole * np.outer(x_scales.double().numpy(), weight_scales.double().numpy())).float()


@needs_int8
@pytest.mark.parametrize("tokens", [1, 3, 64, 200])
@pytest.mark.parametrize(("inputs", "outputs"), [(48, 96), (576, 40), (37, 5), (1, 1)])
def test_it_is_the_product_of_the_rounded_numbers(tokens: int, inputs: int, outputs: int) -> None:
    x, weight = integers(tokens, inputs, seed=1), integers(outputs, inputs, seed=2)
    x_scales, weight_scales = torch.linspace(0.01, 3, tokens), torch.linspace(0.001, 0.7, outputs)
    linear = Int8Linear(around(weight, weight_scales, seed=3))
    ours = linear(around(x, x_scales, seed=4))
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, product(x, x_scales, weight, weight_scales), rtol=1e-5, atol=0)


@needs_int8
def test_it_is_as_far_from_the_true_product_as_rounding_may_take_it() -> None:
    generator = torch.Generator().manual_seed(5)
    x, weight = torch.randn(300, 576, generator=generator), torch.randn(64, 576, generator=generator)
    x[::7, 3] *= 100  # an outlier coarsens its own token alone
    weight[::5, 9] *= 30
    x, weight = x.double(), weight.double()
    x_step, weight_step = (values.abs().amax(1, keepdim=True) / LARGEST for values in (x, weight))
    furthest = (x.abs() + x_step / 2).sum(1, keepdim=True) * weight_step.T / 2 + x_step / 2 * weight.abs().sum(1)
    apart = (Int8Linear(weight.float())(x.float()) - x @ weight.T).abs()
    assert bool((apart <= furthest * 1.001).all())
    assert float((apart / (x @ weight.T).abs().mean(1, keepdim=True)).mean()) < 0.1


@needs_int8
@pytest.mark.parametrize("tokens", [1, 100, 200])
def test_sums_of_the_largest_bytes_do_not_overflow(tokens: int) -> None:
    """Without VNNI two products of bytes are added up in 16 bits."""
    alternating = torch.tensor([1.0, -1.0]).repeat(8192)
    for x, weight, each in ((torch.ones(16_384), 1.0, 1), (-torch.ones(16_384), 1.0, -1), (alternating, alternating, 1)):
        ours = Int8Linear(torch.ones(3, 16_384) * weight)(x.expand(tokens, -1))
        torch.testing.assert_close(ours, torch.full((tokens, 3), 16_384.0 * each), rtol=1e-5, atol=0)


@needs_int8
@pytest.mark.parametrize("inputs", [130, 1536])
@pytest.mark.parametrize("around_it", [1, 2, 15, 126, 127, 128, 300])
def test_a_token_alone_is_bit_for_bit_what_it_is_among_others(around_it: int, inputs: int) -> None:
    generator = torch.Generator().manual_seed(6)
    linear = Int8Linear(torch.randn(200, inputs, generator=generator))
    tokens, others = torch.randn(5, 1, inputs, generator=generator), 50 * torch.randn(around_it, inputs, generator=generator)
    others[0] = torch.nan
    for token in tokens:
        alone = linear(token)
        for before in {0, 1, around_it}:
            together = linear(torch.cat((others[:before], token, others[before:])))
            assert torch.equal(together[before], alone[0])


def one_sided(sign: int) -> tuple[Int8Linear, Tensor]:
    """Sums larger than fp32 counts in ones: bytes without a sign are more than 127, so on the way they are larger than in the end."""
    generator = torch.Generator().manual_seed(13)
    weight, x = torch.rand(40, 1536, generator=generator), torch.rand(200, 1536, generator=generator)
    return Int8Linear(sign * weight), torch.cat([x[:100], -x[100:]])


@needs_int8
@pytest.mark.parametrize("sign", [1, -1])
def test_both_products_give_the_same_bits_of_large_sums(sign: int) -> None:
    linear, x = one_sided(sign)
    assert torch.equal(linear(x), torch.cat([linear(part) for part in x.split(8)]))


OF_LARGE_SUMS = """
import torch
torch.cpu._is_amx_tile_supported = lambda: False
from tests.engine.test_int8 import one_sided
linear, x = one_sided(1)
print(linear(x).numpy().tobytes().hex())
"""


@needs_int8
@pytest.mark.parametrize("instructions", ["AVX512_CORE_VNNI", "AVX2_VNNI"])
def test_a_processor_that_has_less_gives_the_same_bits(instructions: str) -> None:
    linear, x = one_sided(1)
    told = [sys.executable, "-c", OF_LARGE_SUMS]
    environment = dict(os.environ) | {"ONEDNN_MAX_CPU_ISA": instructions}
    there = subprocess.run(told, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert there.stdout.strip() == linear(x).numpy().tobytes().hex()


@needs_int8
def test_nearly_a_half_is_rounded_alike_by_both_products() -> None:
    """Of a few hundred thousand numbers some are so near to it that adding the zero point decides."""
    generator = torch.Generator().manual_seed(8)
    linear, x = Int8Linear(torch.randn(16, 1536, generator=generator)), torch.randn(320, 1536, generator=generator)
    assert torch.equal(linear(x), torch.cat([linear(part) for part in x.split(32)]))


@needs_int8
def test_it_keeps_nothing_of_the_weight_for_a_gradient() -> None:
    """A model is made of parameters; kept fp32 copies of them once took eight bytes a weight more."""
    linear = Int8Linear(nn.Parameter(torch.randn(8, 16)))
    assert linear.steps.grad_fn is None


@needs_int8
def test_zeros_stay_zero() -> None:
    generator = torch.Generator().manual_seed(7)
    x, weight = torch.randn(9, 33, generator=generator), torch.randn(20, 33, generator=generator)
    x[4], weight[7] = 0, 0
    ours = Int8Linear(weight)(x)
    assert torch.equal(ours[4], torch.zeros(20))
    assert torch.equal(ours[:, 7], torch.zeros(9))
    assert int((ours == 0).sum()) == 28
    assert torch.equal(Int8Linear(torch.zeros(3, 33))(x), torch.zeros(9, 3))


@needs_int8
@pytest.mark.parametrize("factor", [1e30, 1e6, 1e-5])
def test_huge_and_tiny_values_scale_the_result(factor: float) -> None:
    x, weight = integers(8, 64, seed=8), integers(12, 64, seed=9)
    scales, ones = torch.full((8,), factor), torch.ones(12)
    ours = Int8Linear(weight.float())(around(x, scales, seed=10))
    torch.testing.assert_close(ours, product(x, scales, weight, ones), rtol=1e-5, atol=0)
    ours = Int8Linear(weight.float() * factor)(around(x, torch.ones(8), seed=10))
    torch.testing.assert_close(ours, product(x, torch.ones(8), weight, factor * ones), rtol=1e-5, atol=0)


@needs_int8
def test_it_takes_what_is_not_contiguous() -> None:
    x = torch.randn(64, 20, generator=torch.Generator().manual_seed(11)).t()
    linear = Int8Linear(torch.randn(10, 64, generator=torch.Generator().manual_seed(12)))
    assert torch.equal(linear(x), linear(x.contiguous()))


@needs_int8
def test_it_takes_every_products_place() -> None:
    model = nn.Sequential(Linear(4, 4), nn.Sequential(nn.LayerNorm(4), Linear(4, 4)))
    for parameter in model.parameters():
        nn.init.ones_(parameter)
    to_int8(model)
    assert [type(part).__name__ for part in model.modules()] == ["Sequential", "Int8Linear", "Sequential", "LayerNorm", "Int8Linear"]


# --- whole models ---


def logits(decoder: Decoder, pieces: list[int]) -> Tensor:
    ids = torch.randint(3, VOCAB, (sum(pieces),), generator=torch.Generator().manual_seed(13))
    cache = decoder.new_cache()
    return torch.cat([decoder.logits(decoder(piece, [Segment(cache, len(piece))])) for piece in ids.split(pieces)])


def both(folder: Path, family: str, dtype: torch.dtype) -> tuple[Decoder, Decoder]:
    """A random model in int8, made from weights of this type, and in fp32."""
    save_random(family, folder)
    wide, held = load_model(folder), load_model(folder, dtype=dtype)
    return Decoder.from_weights(held.config, held.decoder, int8=True), Decoder.from_weights(wide.config, wide.decoder)


@needs_int8
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", ["llama", "smollm3", "llama4_text"])
def test_a_model_in_int8_says_nearly_what_it_says_in_fp32(tmp_path: Path, family: str, dtype: torch.dtype) -> None:
    """Measured: mean KL 0.003 (llama) to 0.009 (smollm3, and llama4, where tokens change their expert); 88 to 93 % same best tokens."""
    int8, fp32 = both(tmp_path, family, dtype)
    expected = logits(fp32, [200])
    for pieces in ([200], [100] + [1] * 100):
        ours = logits(int8, pieces)
        apart = F.kl_div(ours.log_softmax(-1), expected.log_softmax(-1), reduction="none", log_target=True).sum(-1)
        assert ours.dtype == torch.float32
        assert 0 < float(apart.mean()) < 0.02
        assert float((ours.argmax(-1) == expected.argmax(-1)).float().mean()) >= 0.85
