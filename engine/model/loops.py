"""What happens to rows of fp32 numbers between the matrix products, each as one compiled loop in the place of several passes.

A row's result depends on that row alone, bit for bit, however many there are and whatever thread takes it. All tensors lie on the CPU and
row after row. Knows no model. Legend: T tokens (rows), n numbers in a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import carray, njit
from torch import Tensor

from engine.model.compiled import HEADER, as_bits, as_float, floats, loop, octets, share, two_to

f32, i32 = np.float32, np.int32
STEP, SMALLEST, MINUS_LOG2_E = f32(1 / 127), f32(1e-12), f32(-1.4426950408889634)
SIGN = 128  # what makes a signed byte one without a sign
# With fewer numbers than this the caller's thread is done before another has begun.
NUMBERS_FOR_THREADS = 16_384


def fits(x: Tensor) -> bool:
    """Whether these loops take x: fp32 on a CPU, and nobody wants a gradient."""
    return x.dtype is torch.float32 and x.is_cpu and not x.requires_grad


def normed(x: Tensor, weight: Tensor | None, eps: Tensor) -> Tensor:
    """x / sqrt(mean of squares + eps) * weight over the last dimension; `eps` is a tensor of one number."""
    x = x.contiguous()
    out = torch.empty_like(x)
    n = x.shape[-1]
    place = 0 if weight is None else weight.data_ptr()
    NORMED(x.data_ptr(), place, eps.data_ptr(), out.data_ptr(), x.numel() // n, n, alone=x.numel() < NUMBERS_FOR_THREADS)
    return out


def rounded(x: Tensor, room: int = 0, *, unsigned: bool = False) -> tuple[Tensor, Tensor]:
    """x [T, n] in whole steps of each row's own, int8, and the steps [T, 1]: the largest number of a row is 127 steps. `unsigned`: SIGN
    steps more, uint8. With `room` for more rows both are that long, and say nothing in these."""
    x = x.contiguous()
    tokens, n = x.shape
    out = torch.empty(max(tokens, room), n, dtype=torch.uint8 if unsigned else torch.int8)
    steps, more = x.new_empty(len(out), 1), SIGN if unsigned else 0
    ROUNDED(x.data_ptr(), out.data_ptr(), steps.data_ptr(), tokens, n, more, alone=x.numel() < NUMBERS_FOR_THREADS)
    return out, steps


def gated(gate_up: Tensor) -> Tensor:
    """silu(gate) * up, [T, n], for gates and ups [T, 2n]."""
    gate_up = gate_up.contiguous()
    tokens, n = gate_up.shape[0], gate_up.shape[1] // 2
    out = gate_up.new_empty(tokens, n)
    GATED(gate_up.data_ptr(), out.data_ptr(), tokens, n, alone=out.numel() < NUMBERS_FOR_THREADS)
    return out


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Each head of x [T, heads, D] turned by cosines and signed sines [T, 1, D]; x's tokens may lie apart, its heads may not."""
    tokens, heads, size = x.shape
    out = x.new_empty(tokens, heads, size)
    places = x.data_ptr(), cos.data_ptr(), sin.data_ptr(), out.data_ptr()
    TURNED(*places, tokens, heads, size, x.stride(0), alone=out.numel() < NUMBERS_FOR_THREADS)
    return out


# --- the loops themselves ---


def normed_rows(given: Any) -> None:
    a = carray(given, HEADER + 6)
    tokens, n, eps = a[HEADER + 4], a[HEADER + 5], floats(a[HEADER + 2])[0]
    first, end = share(a, tokens)
    weight = floats(a[HEADER + 1])
    for row in range(first, end):
        x, out = floats(a[HEADER] + 4 * row * n), floats(a[HEADER + 3] + 4 * row * n)
        total = f32(0)
        for i in range(n):
            total += x[i] * x[i]
        scale = f32(1) / f32(np.sqrt(total / f32(n) + eps))
        if a[HEADER + 1] == 0:
            for i in range(n):
                out[i] = x[i] * scale
        else:
            for i in range(n):
                out[i] = x[i] * scale * weight[i]


@njit(inline="always", error_model="numpy")
def step_of(x: Any, n: int) -> Any:
    """A 127th of the largest magnitude. Magnitudes are compared by their bits, among which NaN is the largest."""
    largest = i32(0)
    for i in range(n):
        largest = max(largest, i32(as_bits(x[i]) & i32(0x7FFFFFFF)))
    return as_float(largest) * STEP + SMALLEST


@njit(inline="always", error_model="numpy")
def round_row(x: Any, out: Any, n: int, more: int) -> Any:
    """x in whole steps, and so many more, into out; gives the step."""
    step = step_of(x, n)
    for i in range(n):
        out[i] = np.int8(i32(i32(np.rint(x[i] / step)) + more))
    return step


def rounded_rows(given: Any) -> None:
    a = carray(given, HEADER + 6)
    tokens, n, more = a[HEADER + 3], a[HEADER + 4], i32(a[HEADER + 5])
    first, end = share(a, tokens)
    for row in range(first, end):
        floats(a[HEADER + 2])[row] = round_row(floats(a[HEADER] + 4 * row * n), octets(a[HEADER + 1] + row * n), n, more)


def gated_rows(given: Any) -> None:
    a = carray(given, HEADER + 4)
    tokens, n = a[HEADER + 2], a[HEADER + 3]
    first, end = share(a, tokens)
    for row in range(first, end):
        gate, up, out = floats(a[HEADER] + 8 * row * n), floats(a[HEADER] + 8 * row * n + 4 * n), floats(a[HEADER + 1] + 4 * row * n)
        for i in range(n):
            out[i] = gate[i] / (f32(1) + two_to(gate[i] * MINUS_LOG2_E)) * up[i]


def turned_rows(given: Any) -> None:
    a = carray(given, HEADER + 8)
    tokens, heads, size, apart = a[HEADER + 4], a[HEADER + 5], a[HEADER + 6], a[HEADER + 7]
    half = size // 2
    first, end = share(a, tokens)
    for row in range(first, end):
        cos, sin = floats(a[HEADER + 1] + 4 * row * size), floats(a[HEADER + 2] + 4 * row * size)
        for head in range(heads):
            x, out = floats(a[HEADER] + 4 * (row * apart + head * size)), floats(a[HEADER + 3] + 4 * (row * heads + head) * size)
            for i in range(half):
                out[i] = x[i] * cos[i] + x[half + i] * sin[i]
                out[half + i] = x[half + i] * cos[half + i] + x[i] * sin[half + i]


NORMED, GATED, TURNED = loop(normed_rows), loop(gated_rows), loop(turned_rows)
# Exact, because both ways to a product have to give the same bits.
ROUNDED = loop(rounded_rows, loose=False)
