"""RMS normalisation, with a weight and without one. The mean of squares is taken in fp32."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from engine.model.loops import fits, normed


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last dimension."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        # x: [T, C]
        if fits(x):
            return normed(x, self.weight, constant(self.eps, x.dtype, x.device))
        return rms(x, self.eps) * self.weight


def rms(x: Tensor, eps: float) -> Tensor:
    """x / rms(x) over the last dimension, in x's type."""
    if fits(x):
        return normed(x, None, constant(eps, x.dtype, x.device))
    norm: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=wide(x.dtype))
    mean = torch.addcmul(constant(eps, norm.dtype, norm.device), norm, norm, value=1 / x.shape[-1])
    return (x * mean.rsqrt_()).to(x.dtype)


def wide(dtype: torch.dtype) -> torch.dtype:
    """The type in which sums are taken: at least fp32."""
    return torch.promote_types(dtype, torch.float32)


@lru_cache
def constant(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A number as a tensor that is made once: as a plain number it would be made again in every layer of every token."""
    return torch.tensor(value, dtype=dtype, device=device)
