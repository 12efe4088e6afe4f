"""SwiGLU, with gate and up in one matrix product."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.linear import Linear
from engine.model.loops import fits, gated


class FeedForward(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, hidden: int, ffn: int) -> None:
        super().__init__()
        self.gate_up = Linear(hidden, 2 * ffn)
        self.down = Linear(ffn, hidden)

    def forward(self, x: Tensor) -> Tensor:
        # x: [T, C]
        down: Tensor = self.down(gated_of(self.gate_up(x)))
        return down


def gated_of(gate_up: Tensor) -> Tensor:
    """silu(gate) * up for gates and ups side by side."""
    if fits(gate_up):
        return gated(gate_up)
    gate, up = gate_up.chunk(2, dim=-1)
    return F.silu(gate) * up
