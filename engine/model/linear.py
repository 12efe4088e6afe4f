"""The matrix product of a layer: weights as they were loaded, or as int8 through the processor's integer product.

int8 is weights and activations alike: a weight row has one scale, found once; a token has one scale, found when it comes. So a token's
result does not depend on the tokens that it was packed with, and stored state stays a function of a chunk's own tokens.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.few_rows import multiplied
from engine.model.loops import SIGN, rounded
from engine.model.vectors import HAS_BYTES, HAS_TILES

LARGEST = 127.0
# From so many tokens on the product of packed weights is the quicker; so many tokens at a time, since it is prepared for each number anew.
MANY_TOKENS = 32 if HAS_TILES else 128
TOKENS_AT_A_TIME = 16
# oneDNN takes bytes with a sign quickly with tiles alone. Of those without one it takes the zero point away exactly without tiles alone.
UNSIGNED = not HAS_TILES


class Linear(nn.Module):
    """x W^T without bias. `weight` is [out, in]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))

    def forward(self, x: Tensor) -> Tensor:
        # x: [T, in]
        return F.linear(x, self.weight)


class Int8Linear(nn.Module):
    """The same with int8 weights, for fp32 x on a CPU that has int8 products (`cpu_has_int8`).

    Two products give the same bits: a loop that reads each weight once is the quicker for some tokens, that of oneDNN for many. It has
    the weights packed as it wants them, which is a second copy.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.rows, self.steps = quantised(weight)
        self.sums = self.rows.sum(1, dtype=torch.int32)
        self.packed = Packed(self.rows, self.steps)

    def forward(self, x: Tensor) -> Tensor:
        # x: fp32 [T, in]
        if len(x) < MANY_TOKENS:
            return multiplied(x, self.rows, self.sums, self.steps)
        whole, steps = rounded(x, -(-len(x) // TOKENS_AT_A_TIME) * TOKENS_AT_A_TIME, unsigned=UNSIGNED)
        return self.packed.product(whole)[: len(x)].mul_(steps[: len(x)])


class Packed:
    """A weight of int8 rows [out, in], of whose steps in fp32 [out] one each stands for, as oneDNN wants it."""

    def __init__(self, rows: Tensor, steps: Tensor) -> None:
        self._rows, self._steps = torch.ops.onednn.qlinear_prepack.default(rows, None), steps
        self._zeros = torch.zeros(len(rows), dtype=torch.int32)

    def product(self, whole: Tensor) -> Tensor:
        """fp32 [T, out] of `whole` [T, in], bytes that are UNSIGNED or not."""
        scales = 1.0, SIGN if UNSIGNED else 0, self._rows, self._steps, self._zeros, None, 1.0, 0
        out: Tensor = torch.ops.onednn.qlinear_pointwise.default(whole, *scales, torch.float32, "none", [], "")
        return out


def quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The weight [out, in] as int8, and how much one stands for in each row, fp32 [out]."""
    wide = weight.detach().float()  # else the steps would keep two fp32 copies of the weight for a gradient
    steps = wide.abs().amax(1).clamp_min(1e-12) / LARGEST
    return (wide / steps[:, None]).round_().to(torch.int8), steps


def to_int8(module: nn.Module) -> None:
    """Put Int8Linear in the place of every Linear below `module`."""
    for name, child in module.named_children():
        if isinstance(child, Linear):
            setattr(module, name, Int8Linear(child.weight))
        else:
            to_int8(child)


def cpu_has_int8() -> bool:
    """Whether the processor has instructions for such products; without them, torch's sums of bytes can overflow."""
    return HAS_BYTES
