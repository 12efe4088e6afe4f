"""In which numbers attention state is stored: the part of a run's state in the layers of one kind <-> bytes.

    plain   as numbers of one type: bf16; fp32 and fp64 for comparing
    int8    keys in 256 steps between the least and the greatest value that a channel takes in the run, values in 255 steps about 0 between
            the token's greatest either way; least value and step size in fp16. Keys have channels that stand far from 0 for all tokens,
            values have tokens that are large (KIVI, arXiv:2402.02750)

A codec's name is part of the store's keys. Knows no layout of a record and no store.
Legend: N layers of a kind, G kv heads, T tokens, D head size.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from engine.errors import EngineError

HALF_BYTES = 2
LEAST_STEP = 2.0**-24  # the smallest number of fp16


class Codec(Protocol):
    """How numbers are stored. What `decode` gives is what counts from then on: encoding it again may change it once more."""

    @property
    def name(self) -> str:
        """At most four letters."""

    def stored_bytes(self, layers: int, heads: int, tokens: int, size: int) -> int:
        """Of a part [N, 2, G, T, D]."""

    def encode(self, part: Tensor) -> bytes:
        """Of a part [N, 2, G, T, D]: keys, then values."""

    def decode(self, stored: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
        """The part [N, 2, G, T, D] out of uint8 [bytes], for (N, G, T, D); may share its memory."""


class Plain:
    """Numbers of one type."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self.name = ("bf" if dtype is torch.bfloat16 else "fp") + str(8 * dtype.itemsize)

    def stored_bytes(self, layers: int, heads: int, tokens: int, size: int) -> int:
        return layers * 2 * heads * tokens * size * self._dtype.itemsize

    def encode(self, part: Tensor) -> bytes:
        return raw(part.to("cpu", self._dtype))

    def decode(self, stored: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
        layers, heads, tokens, size = shape
        return stored.view(self._dtype).view(layers, 2, heads, tokens, size)


class Int8:
    """Keys by channel, values by token, a byte each."""

    name = "int8"

    def stored_bytes(self, layers: int, heads: int, tokens: int, size: int) -> int:
        return layers * heads * (2 * tokens * size + HALF_BYTES * (2 * size + tokens)) if tokens else 0

    def encode(self, part: Tensor) -> bytes:
        if not part.numel():
            return b""
        keys, values = part.to("cpu", torch.float32).unbind(1)  # [N, G, T, D] each
        least = keys.amin(2, keepdim=True).half()
        above = keys.sub(least.float())
        step = (above.amax(2, keepdim=True) / 255).clamp_min(LEAST_STEP).half()
        steps = above.div_(step.float()).round_().clamp_(0, 255).to(torch.uint8)
        scale = (values.abs().amax(3, keepdim=True) / 127).clamp_min(LEAST_STEP).half()
        scaled = values.div(scale.float()).round_().clamp_(-127, 127).to(torch.int8)
        return b"".join(map(raw, (least, step, scale, steps, scaled)))

    def decode(self, stored: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
        layers, heads, tokens, size = shape
        part = torch.empty(layers, 2, heads, tokens, size)
        if not part.numel():
            return part
        channels, rows = layers * heads * size, layers * heads * tokens
        sizes = [HALF_BYTES * channels, HALF_BYTES * channels, HALF_BYTES * rows, rows * size, rows * size]
        least, step, scale, steps, scaled = torch.split(stored, sizes)
        by_channel, by_token = (layers, heads, 1, size), (layers, heads, tokens, 1)
        keys, values = part.unbind(1)
        torch.mul(steps.view(layers, heads, tokens, size), step.view(torch.float16).view(by_channel).float(), out=keys)
        keys.add_(least.view(torch.float16).view(by_channel).float())
        torch.mul(scaled.view(torch.int8).view(layers, heads, tokens, size), scale.view(torch.float16).view(by_token).float(), out=values)
        return part


BF16: Codec = Plain(torch.bfloat16)
INT8: Codec = Int8()
CHOICES = {codec.name: codec for codec in (BF16, INT8)}
"""Those that a person can choose, by name."""


def codec_named(name: str | None) -> Codec:
    """bf16 without a name. Raises EngineError for a name that no codec has."""
    if name is None:
        return BF16
    if name not in CHOICES:
        raise EngineError(
            f"State is stored in {' or '.join(CHOICES)}, not in {name}. Set LONGREAD_STORE_CODEC to one of them, or unset it."
        )
    return CHOICES[name]


def raw(part: Tensor) -> bytes:
    """A tensor's numbers as they lie in memory."""
    flat: bytes = part.contiguous().view(torch.uint8).numpy().tobytes()
    return flat
