"""Weights in four bits each, with one scale and one offset for each group of inputs of an output channel; and the products with them.

weight = (value - 8) * scale + offset, value 0..15: torch's own int4 products compute just this. 15 steps of the scale span the group's
range. Values are held by rows, two a byte, the even input in the upper half, until `pack` lays them out for the device's product.
Legend: T tokens, E experts, n groups (in / n inputs each).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.model.weight_codec import int4_group

MIDDLE, LARGEST = 8, 15
CUDA_INNER_TILES = 8
CUDA_CAPABILITY = (8, 0)


class Int4Stack(nn.Module):
    """E matrices: `values` uint8 [E, out, in / 2], `scales` [E, n, out, 2] with scale and offset, in the type of the inputs."""

    values: Tensor
    scales: Tensor

    def __init__(self, experts: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("values", torch.empty(experts, outputs, inputs // 2, dtype=torch.uint8))
        self.register_buffer("scales", torch.empty(experts, inputs // int4_group(inputs), outputs, 2))
        self.product = reference_product

    def forward(self, x: Tensor, expert: int) -> Tensor:
        """x [T, in] times the expert's matrix: [T, out]."""
        return self.product(x, self.values[expert], self.scales[expert])

    def pack(self) -> None:
        """Lay the values out for the int4 product of the device that they are on, if it has one for these shapes.

        In place, one expert at a time, so that nothing is held twice: the tensors that were loaded are used up. Once only, and the module
        stays on that device from then on.
        """
        if self.product is not reference_product:
            return
        if on_cpu(self.values):
            self.product, packed = cpu_product, packed_for_cpu
        elif on_cuda(self.values):
            self.product, packed = cuda_product, packed_for_cuda
        else:
            return
        for values in self.values:
            values.copy_(packed(values))


def pack_int4(module: nn.Module) -> None:
    """Pack every Int4Stack below `module`: once, when its weights are loaded and where they will stay."""
    for child in module.modules():
        if isinstance(child, Int4Stack):
            child.pack()


def encode_int4(rows: Tensor, group: int) -> tuple[Tensor, Tensor]:
    """Values uint8 [out, in / 2] and scales [n, out, 2] in the rows' type, of a weight [out, in]."""
    grouped = rows.float().reshape(len(rows), -1, group)  # [out, n, group]
    low, high = grouped.aminmax(dim=-1)
    scales = ((high - low) / LARGEST).clamp_(min=1e-6)
    # Values are chosen for the scales as they are held, so that the holding type's rounding is not an error of its own.
    held = torch.stack((scales, low + MIDDLE * scales), dim=-1).to(rows.dtype)
    scale, offset = held.float()[:, :, None].unbind(-1)
    values = ((grouped - offset) / scale + MIDDLE).round_().clamp_(0, LARGEST).to(torch.uint8).flatten(1)
    return values[:, ::2] << 4 | values[:, 1::2], held.transpose(0, 1).contiguous()


def unpacked(values: Tensor) -> Tensor:
    """uint8 [out, in], 0..15, of values by rows [out, in / 2]."""
    return torch.stack((values >> 4, values & 15), dim=-1).flatten(1)


def reference_product(x: Tensor, values: Tensor, scales: Tensor) -> Tensor:
    """[T, out] for x [T, in] and values by rows, on any device: the weight as x's type, then an ordinary product."""
    scale, offset = scales.to(x.dtype).transpose(0, 1)[:, :, None].unbind(-1)  # [out, n, 1] each
    grouped = unpacked(values).to(x.dtype).view(len(values), len(scales), -1)
    weight: Tensor = (grouped - MIDDLE) * scale + offset
    return x @ weight.flatten(1).t()


def cpu_product(x: Tensor, values: Tensor, scales: Tensor) -> Tensor:
    """The same for values `packed_for_cpu`."""
    return torch._weight_int4pack_mm_for_cpu(x, values, 2 * values.shape[1] // len(scales), scales.to(x.dtype))


def cuda_product(x: Tensor, values: Tensor, scales: Tensor) -> Tensor:
    """The same for values `packed_for_cuda`; the product is in bf16. Not run on a GPU yet."""
    outputs, inputs = values.shape[0], 2 * values.shape[1]
    tiles = values.view(torch.int32).view(outputs // 8, inputs // (16 * CUDA_INNER_TILES), 32, CUDA_INNER_TILES // 2)
    product = torch._weight_int4pack_mm(x.to(torch.bfloat16), tiles, inputs // len(scales), scales.to(torch.bfloat16))
    return product.to(x.dtype)


def packed_for_cpu(values: Tensor) -> Tensor:
    """The values by rows [out, in / 2] in the order that torch's CPU product wants; same shape."""
    return torch._convert_weight_to_int4pack_for_cpu(unpacked(values).int(), 1)


def packed_for_cuda(values: Tensor) -> Tensor:
    """The values by rows [out, in / 2] in the order that torch's CUDA product wants, as bytes of the same shape. Not run on a GPU yet."""
    return torch._convert_weight_to_int4pack(values.contiguous(), CUDA_INNER_TILES).view(torch.uint8).view(values.shape)


def on_cpu(values: Tensor) -> bool:
    """Whether these stacked values can have torch's CPU product, which wants outputs in sixteens."""
    return values.device.type == "cpu" and values.shape[1] % 16 == 0


def on_cuda(values: Tensor) -> bool:
    """Whether these stacked values can have torch's CUDA product, which wants outputs in eights and inputs in whole tiles."""
    fits = values.is_cuda and values.shape[1] % 8 == 0 and 2 * values.shape[2] % (16 * CUDA_INNER_TILES) == 0
    return fits and torch.cuda.get_device_capability(values.device) >= CUDA_CAPABILITY
