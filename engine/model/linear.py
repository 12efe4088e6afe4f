"""The matrix product of a layer: weights as they were loaded, or as int8 through the processor's integer product.

int8 is weights and activations alike: a weight row has one scale, found once; a token has one scale, found when it comes. So a token's
result does not depend on the tokens that it was packed with, and stored state stays a function of a chunk's own tokens.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.loops import multiplied, rounded, stepped, weighed

LARGEST = 127.0
ZERO_POINT = 128  # activations are quantised to unsigned bytes around it
# Quantises its fp32 input by one given step, multiplies in integers, and gives fp32 again, in one go.
INT8_PRODUCT = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default
INT8_ENGINE = "fbgemm"
FEW_TOKENS, MANY_TOKENS = 1, 64
VNNI_FLAGS = {"avx512_vnni", "avx_vnni"}


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

    Three products give the same whole numbers: a loop that reads each weight once is the quickest for one token, FBGEMM's for some, the
    bare one for many.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.rows, self.steps = quantised(weight)
        self.packed = pack(self.rows, self.steps)

    def forward(self, x: Tensor) -> Tensor:
        # x: fp32 [T, in]
        if len(x) <= FEW_TOKENS:
            return multiplied(x, self.rows, self.steps)
        if len(x) < MANY_TOKENS:
            scaled, step = stepped(x)
            product: Tensor = INT8_PRODUCT(scaled, 1.0, ZERO_POINT, self.packed)
            return product.mul_(step)
        whole, step = rounded(x)
        return weighed(torch._int_mm(whole, self.rows.t()), self.steps, step)


def quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The weight [out, in] as int8, and how much one stands for in each row, fp32 [out]."""
    wide = weight.detach().float()  # else the steps would keep two fp32 copies of the weight for a gradient
    steps = wide.abs().amax(1).clamp_min(1e-12) / LARGEST
    return (wide / steps[:, None]).round_().to(torch.int8), steps


def pack(rows: Tensor, steps: Tensor) -> Any:
    """The quantised weight laid out as INT8_PRODUCT wants it."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = INT8_ENGINE
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*quantized tensor creation.*")  # torch 2.13 warns of a later torch; ours is pinned
            held = torch._make_per_channel_quantized_tensor(rows, steps.double(), torch.zeros(len(rows), dtype=torch.long), 0)
        return torch.ops.quantized.linear_prepack(held, None)
    finally:
        torch.backends.quantized.engine = before


def to_int8(module: nn.Module) -> None:
    """Put Int8Linear in the place of every Linear below `module`."""
    for name, child in module.named_children():
        if isinstance(child, Linear):
            setattr(module, name, Int8Linear(child.weight))
        else:
            to_int8(child)


def cpu_has_int8(info: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether torch has the kernels and the processor the instructions; without the latter, sums of bytes can overflow."""
    return INT8_ENGINE in torch.backends.quantized.supported_engines and bool(VNNI_FLAGS & cpu_flags(info))


def cpu_flags(info: Path = Path("/proc/cpuinfo")) -> set[str]:
    """The processor's flags; none where the system does not show them."""
    if not info.is_file():
        return set()
    lines = info.read_text(encoding="ascii", errors="replace").lower().splitlines()
    return set(next((line for line in lines if line.startswith(("flags", "features"))), "").split())
