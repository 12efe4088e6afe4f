"""Rotary positions beside complex numbers in fp64, and beside transformers' frequencies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from engine.config import RopeScaling
from engine.model.rope import angles, frequencies, rotate
from tests.engine.tiny import CONFIG

SCALINGS = {
    "none": None,
    "Llama 4 Scout": RopeScaling(factor=16, low=1, high=1, original_context=8192),
    "Llama 3.1": RopeScaling(factor=8, low=1, high=4, original_context=8192),
    "a short one": RopeScaling(factor=4, low=1, high=4, original_context=64),
    "one that divides all": RopeScaling(factor=4, low=2000, high=4000, original_context=64),
}


@pytest.mark.parametrize("name", SCALINGS)
@pytest.mark.parametrize(("theta", "head_dim"), [(500_000.0, 128), (10_000.0, 16)])
def test_it_has_the_frequencies_of_transformers(name: str, theta: float, head_dim: int) -> None:
    scaling = SCALINGS[name]
    parameters: dict[str, object] = {"rope_type": "default", "rope_theta": theta}
    if scaling:
        parameters |= {
            "rope_type": "llama3",
            "factor": float(scaling.factor),
            "low_freq_factor": float(scaling.low),
            "high_freq_factor": float(scaling.high),
            "original_max_position_embeddings": scaling.original_context,
        }
    theirs = LlamaRotaryEmbedding(
        LlamaConfig(
            hidden_size=2 * head_dim, num_attention_heads=2, head_dim=head_dim, max_position_embeddings=1 << 20, rope_parameters=parameters
        )
    )
    ours = frequencies(replace(CONFIG, rope_theta=theta, head_dim=head_dim, rope_scaling=scaling))
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs.inv_freq, rtol=1e-6, atol=0)


def plain(head_dim: int = 16, theta: float = 10_000.0) -> Tensor:
    return frequencies(replace(CONFIG, head_dim=head_dim, rope_theta=theta))


def heads(tokens: int, size: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(tokens, 3, size, generator=torch.Generator().manual_seed(seed))


def test_it_turns_each_pair_as_a_complex_number() -> None:
    positions, x = torch.tensor([0, 1, 5, 1000, 77_777]), heads(5)
    ours = rotate(x, *angles(positions, plain(), torch.float32))
    turn = np.exp(1j * positions.numpy()[:, None, None] * plain().numpy().astype(np.float64))
    turned = (x[..., :8].numpy() + 1j * x[..., 8:].numpy()) * turn
    expected = np.concatenate((turned.real, turned.imag), -1)
    assert np.abs(ours.numpy() - expected).max() <= 1e-6
    assert torch.equal(ours[0], x[0]), "position 0 turns nothing"


def test_halves_with_permuted_rows_score_as_neighbours_do() -> None:
    """Llama 4's checkpoints pair neighbours: (2j, 2j + 1)."""
    q, k = heads(1)[0], heads(1, seed=1)[0]
    cos_sin = [angles(torch.tensor([position]), plain(), torch.float32) for position in (11, 4)]
    order = torch.arange(16).view(8, 2).T.flatten()
    ours = [rotate(x[None, :, order], *where)[0] for x, where in zip((q, k), cos_sin, strict=True)]
    turn = np.exp(1j * 7 * plain().numpy().astype(np.float64))
    pairs = [x.numpy().astype(np.float64).view(np.complex128) for x in (q, k)]
    expected = (pairs[0] * turn * pairs[1].conj()).sum(-1).real
    assert np.abs((ours[0] * ours[1]).sum(-1).numpy() - expected).max() <= 1e-5


@pytest.mark.parametrize("far", [1000, 131_072, 1_048_576, 10_485_760])
def test_scores_depend_on_distance_only_however_far_the_tokens_are(far: int) -> None:
    """Angles taken in fp32 miss this: at position 1,000,000 by 0.1 and at 10,000,000 by 1, on scores of about 10."""
    turns, q, k = plain(128, 500_000.0), heads(40, 128), heads(40, 128, seed=1)

    def scores(first: int) -> Tensor:
        cos_sin = angles(first + torch.arange(40), turns, torch.float32)
        return torch.einsum("qhd,khd->hqk", rotate(q, *cos_sin), rotate(k, *cos_sin))

    assert float((scores(far) - scores(0)).abs().max()) <= 1e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_it_rounds_angles_last(dtype: torch.dtype) -> None:
    positions = torch.tensor([3, 4099, 1_000_003])
    exact = positions.double()[:, None] * plain().double()
    cos, sin = angles(positions, plain(), dtype)
    assert cos.shape == sin.shape == (3, 1, 16)
    assert torch.equal(cos[:, 0], torch.cat((exact.cos(), exact.cos()), -1).to(dtype))
    assert torch.equal(sin[:, 0], torch.cat((-exact.sin(), exact.sin()), -1).to(dtype))


def test_it_keeps_every_heads_length() -> None:
    x = heads(50)
    turned = rotate(x, *angles(torch.arange(50) * 1000, plain(), torch.float32))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1), rtol=1e-5, atol=0)
    assert float((turned - x).abs().max()) > 1
