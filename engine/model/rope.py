"""Rotary positions: the first half of a head is turned against the second half, pair j being (j, j + D/2).

Checkpoints that pair neighbours have their rows put into this order at load; scores are the same, because q and k are permuted alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.config import ModelConfig, RopeScaling
from engine.model.loops import fits, turned


def frequencies(config: ModelConfig) -> Tensor:
    """fp32 [D/2]: radians that each pair turns by a position."""
    plain = config.rope_theta ** (-torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim)
    return plain if config.rope_scaling is None else scaled(plain, config.rope_scaling)


def scaled(plain: Tensor, scaling: RopeScaling) -> Tensor:
    """llama3's scaling: slow pairs turn `factor` times slower, fast ones as before, those between by a blend of both."""
    turns = scaling.original_context * plain / (2 * math.pi)  # full turns within the original context
    if scaling.high == scaling.low:
        share = (turns >= scaling.high).float()
    else:
        share = ((turns - scaling.low) / (scaling.high - scaling.low)).clamp(0, 1)
    return plain * (share + (1 - share) / scaling.factor)


def angles(positions: Tensor, frequencies: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines, each [T, 1, D], for int positions [T]; computed in fp64, whatever `dtype` they are given in.

    In fp32 an angle at position 10,000,000 is off by up to half a radian.
    """
    turns = positions[:, None, None].double() * frequencies.double()
    cos, sin = turns.cos(), turns.sin()
    return torch.cat((cos, cos), -1).to(dtype), torch.cat((-sin, sin), -1).to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Each head of x [T, heads, D] turned by its position's angles."""
    if fits(x) and x.stride()[1:] == (x.shape[2], 1) and cos.is_contiguous() and len(cos) == len(x):
        return turned(x, cos, sin)
    swapped = x.view(*x.shape[:-1], 2, -1).flip(-2).view(x.shape)
    return torch.addcmul(x * cos, swapped, sin)
