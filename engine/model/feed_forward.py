"""SwiGLU, with gate and up in one matrix product."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.linear import Linear


class FeedForward(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, hidden: int, ffn: int) -> None:
        super().__init__()
        self.gate_up = Linear(hidden, 2 * ffn)
        self.down = Linear(ffn, hidden)

    def forward(self, x: Tensor) -> Tensor:
        # x: [T, C]
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        down: Tensor = self.down(F.silu(gate) * up)
        return down
