"""Rotary positions: the first half of a head is rotated against the second half."""

from __future__ import annotations

import torch
from torch import Tensor


def angles(positions: Tensor, head_dim: int, theta: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines, each [T, 1, D/2], for int positions [T]; computed in fp32, whatever `dtype` they are given in."""
    frequencies = theta ** (-torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32) / head_dim)
    turned = positions.float()[:, None, None] * frequencies
    return turned.cos().to(dtype), turned.sin().to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Each head of x [T, heads, D] turned by its position's angles."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
