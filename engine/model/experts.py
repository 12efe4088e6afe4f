"""A layer's routed experts: stacked weights in one of the codecs, of which one expert's are used at a time.

Knows nothing of routing. Legend: T tokens, C hidden, F ffn, E experts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.channel_stack import ChannelStack
from engine.model.feed_forward import gated_of
from engine.model.int4_stack import Int4Stack
from engine.model.weight_codec import Codec

ROWS = 16
Stack = nn.Parameter | ChannelStack | Int4Stack


class Experts(nn.Module):
    """E SwiGLUs. `gate_up` is [E, C, 2F] (gate columns, then up), `down` [E, F, C], or stacks that stand for these."""

    def __init__(self, experts: int, hidden: int, ffn: int, codec: Codec) -> None:
        super().__init__()
        self.gate_up = stack(experts, hidden, 2 * ffn, codec)
        self.down = stack(experts, ffn, hidden, codec)

    def forward(self, x: Tensor, expert: int) -> Tensor:
        """That expert's output [T, C] for x [T, C]; no other expert's weights are read."""
        return times(gated_of(times(x, self.gate_up, expert)), self.down, expert)


def stack(experts: int, inputs: int, outputs: int, codec: Codec) -> Stack:
    """Room for so many matrices in this codec."""
    if codec == "int4":
        return Int4Stack(experts, inputs, outputs)
    if codec == "bf16":
        return nn.Parameter(torch.empty(experts, inputs, outputs))
    return ChannelStack(experts, inputs, outputs, torch.int8 if codec == "int8" else torch.float8_e4m3fn)


def times(x: Tensor, weights: Stack, expert: int) -> Tensor:
    """x [T, in] times one matrix of the stack: [T, out] in x's type; plain weights are multiplied in their own."""
    if isinstance(weights, nn.Parameter):
        product: Tensor = padded(x.to(weights.dtype)) @ weights[expert]
        return product[: len(x)].to(x.dtype)
    out: Tensor = weights(x, expert)
    return out


def padded(x: Tensor) -> Tensor:
    """x with zeros up to a multiple of ROWS, in bf16 on a CPU: there torch keeps a compiled product for each number of rows that a matrix
    ever met, and routing makes any number. Few stay as they are."""
    short = -len(x) % ROWS
    if not short or x.dtype is not torch.bfloat16 or x.device.type != "cpu" or len(x) < ROWS:
        return x
    return F.pad(x, (0, 0, 0, short))
