"""In which numbers attention state is stored: the part of a run's state in the layers of one kind <-> bytes.

    plain   as numbers of one type: bf16; fp32 and fp64 for comparing
    int8    keys in 256 steps between the least and the greatest value that a channel takes in the run, values in 255 steps about 0 between
            the token's greatest either way; least value and step size in fp16. Keys have channels that stand far from 0 for all tokens,
            values have tokens that are large (KIVI, arXiv:2402.02750)
    int4    both in 16 steps between least and greatest value: keys of a channel in runs of 32 tokens, values of a token in runs of 32
            channels

A codec's name is part of the store's keys. Knows no layout of a record and no store.
Legend: N layers of a kind, G kv heads, T tokens, D head size.
"""

from __future__ import annotations

from math import prod
from typing import Protocol

import torch
from torch import Tensor

from engine.errors import EngineError

HALF_BYTES = 2
LEAST_STEP = 2.0**-24  # the smallest number of fp16
RUN = 32  # numbers that share a least value and a step in int4


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


class Int4:
    """Both in short runs, half a byte each: with its least value and step a number takes five bits. Head sizes are even."""

    name = "int4"

    def stored_bytes(self, layers: int, heads: int, tokens: int, size: int) -> int:
        runs = _runs(tokens) * size + tokens * _runs(size)
        return layers * heads * (tokens * size + 2 * HALF_BYTES * runs)

    def encode(self, part: Tensor) -> bytes:
        if not part.numel():
            return b""
        keys, values = part.to("cpu", torch.float32).unbind(1)  # [N, G, T, D] each
        return b"".join(map(raw, (*_stepped(keys, 2), *_stepped(values, 3))))

    def decode(self, stored: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
        layers, heads, tokens, size = shape
        part = torch.empty(layers, 2, heads, tokens, size)
        if not part.numel():
            return part
        by_run = (layers, heads, _runs(tokens), size), (layers, heads, tokens, _runs(size))
        packed = layers * heads * tokens * size // 2
        sizes = [each for run in by_run for each in (HALF_BYTES * prod(run), HALF_BYTES * prod(run), packed)]
        pieces = torch.split(stored, sizes)
        for which, (run, dim) in enumerate(zip(by_run, (2, 3), strict=True)):
            least, step, steps = pieces[3 * which : 3 * which + 3]
            pairs = steps.view(layers, heads, tokens, size // 2)
            numbers = torch.cat([pairs & 15, pairs >> 4], 3).float()
            numbers.mul_(_spread(step, run, dim, shape[dim])).add_(_spread(least, run, dim, shape[dim]))
            part[:, which] = numbers
        return part


def _runs(count: int) -> int:
    return -(-count // RUN)


def _stepped(numbers: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Least value and step of each run along `dim`, fp16, and the steps of each number [N, G, T, D / 2]: those of the second half of a
    token in the upper bits. The last run is filled with its last number."""
    count = numbers.shape[dim]
    last = numbers.narrow(dim, count - 1, 1)
    filled = torch.cat([numbers, *[last] * (_runs(count) * RUN - count)], dim)
    filled = filled.reshape(*numbers.shape[:dim], -1, RUN, *numbers.shape[dim + 1 :])
    least = filled.amin(dim + 1, keepdim=True).half()
    above = filled - least.float()
    step = (above.amax(dim + 1, keepdim=True) / 15).clamp_min(LEAST_STEP).half()
    steps = above.div_(step.float()).round_().clamp_(0, 15).to(torch.uint8).flatten(dim, dim + 1).narrow(dim, 0, count)
    lower, upper = steps.chunk(2, 3)
    return least, step, lower | upper << 4


def _spread(stored: Tensor, run: tuple[int, ...], dim: int, count: int) -> Tensor:
    """What a run shares, for each of its numbers."""
    return stored.view(torch.float16).view(run).float().repeat_interleave(RUN, dim).narrow(dim, 0, count)


BF16: Codec = Plain(torch.bfloat16)
INT8: Codec = Int8()
INT4: Codec = Int4()
CHOICES = {codec.name: codec for codec in (BF16, INT8, INT4)}
"""Those that a person can choose, by name."""


def codec_named(name: str | None) -> Codec:
    """bf16 without a name. Raises EngineError for a name that no codec has."""
    if name is None:
        return BF16
    if name not in CHOICES:
        raise EngineError(
            f"State is stored in one of {', '.join(CHOICES)}, not in {name}. Set LONGREAD_STORE_CODEC to one of them, or unset it."
        )
    return CHOICES[name]


def raw(part: Tensor) -> bytes:
    """A tensor's numbers as they lie in memory."""
    flat: bytes = part.contiguous().view(torch.uint8).numpy().tobytes()
    return flat
