"""The matrix product of a layer: weights as they were loaded, or as int8 through the processor's integer product.

int8 is weights and activations alike: a weight row has one scale, found once; a token has one scale, found when it comes. So a token's
result does not depend on the tokens that it was packed with, and stored state stays a function of a chunk's own tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGEST = 127.0
ZERO_POINT = 128  # activations are quantised to unsigned bytes around it
# Tensors, because as plain numbers they would be made into some in every layer of every token.
STEP, SMALLEST = torch.tensor(1 / LARGEST), torch.tensor(1e-12)
# Quantises its fp32 input by one given step, multiplies in integers, and gives fp32 again, in one go.
INT8_PRODUCT = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default
INT8_ENGINE = "fbgemm"
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
    """The same with int8 weights, for fp32 x on a CPU that has int8 products (`cpu_has_int8`)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.packed = pack(weight)

    def forward(self, x: Tensor) -> Tensor:
        # x: fp32 [T, in]
        scale = torch.addcmul(SMALLEST, x.abs().amax(-1, keepdim=True), STEP)
        product: Tensor = INT8_PRODUCT(x / scale, 1.0, ZERO_POINT, self.packed)
        return product.mul_(scale)


def pack(weight: Tensor) -> Any:
    """The weight [out, in] in int8 by rows, laid out as the product wants it."""
    wide = weight.float()
    scales = wide.abs().amax(1).clamp_min(1e-12).double() / LARGEST
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = INT8_ENGINE
    try:
        rows = torch.quantize_per_channel(wide, scales, torch.zeros(len(wide), dtype=torch.long), 0, torch.qint8)
        return torch.ops.quantized.linear_prepack(rows, None)
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
