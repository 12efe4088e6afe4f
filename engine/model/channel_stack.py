"""Weights in one byte each, int8 or fp8 (e4m3), with one scale for each output channel; and the products with them.

int8: values = round(weight / scale), scale = max|weight| / 127 over the channel's inputs. fp8: the same with 448, e4m3's largest number.
The fast products give each token a scale in the same way, so that a token's result does not depend on its neighbours.
Legend: T tokens, E experts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LARGEST = {torch.int8: 127.0, torch.float8_e4m3fn: 448.0}
FP8_CAPABILITY = (8, 9)
FP8_MULTIPLE = 16


class ChannelStack(nn.Module):
    """E matrices: `values` [E, out, in] in int8 or fp8, `scales` fp32 [E, out]."""

    values: Tensor
    scales: Tensor

    def __init__(self, experts: int, inputs: int, outputs: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("values", torch.empty(experts, outputs, inputs, dtype=dtype))
        self.register_buffer("scales", torch.empty(experts, outputs))

    def forward(self, x: Tensor, expert: int) -> Tensor:
        """x [T, in] times the expert's matrix: [T, out]."""
        values, scales = self.values[expert], self.scales[expert]
        if values.dtype == torch.int8 and x.device.type == "cpu":
            return int8_product(x, values, scales)
        if values.dtype == torch.float8_e4m3fn and has_fp8_product(x, values):
            return fp8_product(x, values, scales)
        return reference_product(x, values, scales)


def encode_channels(rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Values and fp32 scales [n] of rows [n, in]: output channels of a weight, or tokens."""
    wide = rows.float()
    scales = wide.abs().amax(-1).clamp_(min=1e-12).div_(LARGEST[dtype])
    scaled = wide / scales.unsqueeze(-1)
    return (scaled.round_() if dtype == torch.int8 else scaled).to(dtype), scales


def int8_product(x: Tensor, values: Tensor, scales: Tensor) -> Tensor:
    """[T, out] for x [T, in] through the processor's integer product, x in int8 too. Exact up to the rounding of x; sums are int32."""
    tokens, token_scales = encode_channels(x, torch.int8)
    return (torch._int_mm(tokens, values.t()) * token_scales.unsqueeze(-1) * scales).to(x.dtype)


def fp8_product(x: Tensor, values: Tensor, scales: Tensor) -> Tensor:
    """[T, out] for x [T, in] through the fp8 product of recent GPUs, x in fp8 too.

    Tests run it through torch's CPU version of the same call; on a GPU it was not run yet.
    """
    tokens, token_scales = encode_channels(x, torch.float8_e4m3fn)
    return torch._scaled_mm(tokens, values.t(), token_scales.unsqueeze(-1), scales.unsqueeze(0), out_dtype=x.dtype)


def reference_product(x: Tensor, values: Tensor, scales: Tensor) -> Tensor:
    """[T, out] for x [T, in] on any device: the values in x's type, which holds them exactly, in an ordinary product. x is not rounded."""
    return (x @ values.to(x.dtype).t() * scales).to(x.dtype)


def has_fp8_product(x: Tensor, values: Tensor) -> bool:
    """Whether this GPU multiplies fp8 by rows' scales, and these shapes: torch wants bf16 results and sides that are multiples of 16."""
    fits = x.is_cuda and x.dtype == torch.bfloat16 and all(side % FP8_MULTIPLE == 0 for side in values.shape)
    return fits and torch.cuda.get_device_capability(x.device) >= FP8_CAPABILITY
