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

from engine.model.compiled import HEADER, as_bits, as_float, floats, loop, octets, share, two_to, wholes

f32, i32 = np.float32, np.int32
STEP, SMALLEST, ZERO_POINT, MINUS_LOG2_E = f32(1 / 127), f32(1e-12), f32(128), f32(-1.4426950408889634)
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


def stepped(x: Tensor) -> tuple[Tensor, Tensor]:
    """x [T, n] in steps of each row's own, fp32 and not rounded, and the steps [T, 1]: the largest number is 127 steps."""
    x = x.contiguous()
    tokens, n = x.shape
    out, steps = torch.empty_like(x), x.new_empty(tokens, 1)
    STEPPED(x.data_ptr(), out.data_ptr(), steps.data_ptr(), tokens, n, alone=x.numel() < NUMBERS_FOR_THREADS)
    return out, steps


def rounded(x: Tensor) -> tuple[Tensor, Tensor]:
    """The same rounded to int8, in the way of FBGEMM's product, which adds the zero point first."""
    x = x.contiguous()
    tokens, n = x.shape
    out, steps = torch.empty(tokens, n, dtype=torch.int8), x.new_empty(tokens, 1)
    ROUNDED(x.data_ptr(), out.data_ptr(), steps.data_ptr(), tokens, n, alone=x.numel() < NUMBERS_FOR_THREADS)
    return out, steps


def weighed(product: Tensor, columns: Tensor, steps: Tensor) -> Tensor:
    """fp32 product * columns * steps of an int32 product [T, n], which it takes the place of; columns [n], steps [T, 1]."""
    tokens, n = product.shape
    WEIGHED(product.data_ptr(), columns.data_ptr(), steps.data_ptr(), tokens, n, alone=product.numel() < NUMBERS_FOR_THREADS)
    return product.view(torch.float32)


def multiplied(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[T, out] of x [T, n], rounded as by `rounded`, with int8 rows [out, n] and their steps [out]; for one token or a few."""
    x = x.contiguous()
    (tokens, n), outputs = x.shape, len(rows)
    out, whole = x.new_empty(tokens, outputs), torch.empty(tokens, n, dtype=torch.int8)
    places = x.data_ptr(), rows.data_ptr(), columns.data_ptr(), out.data_ptr(), whole.data_ptr()
    MULTIPLIED(*places, tokens, n, outputs, alone=rows.numel() < NUMBERS_FOR_THREADS)
    return out


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


def stepped_rows(given: Any) -> None:
    a = carray(given, HEADER + 5)
    tokens, n = a[HEADER + 3], a[HEADER + 4]
    first, end = share(a, tokens)
    for row in range(first, end):
        x, out = floats(a[HEADER] + 4 * row * n), floats(a[HEADER + 1] + 4 * row * n)
        step = step_of(x, n)
        floats(a[HEADER + 2])[row] = step
        for i in range(n):
            out[i] = x[i] / step


@njit(inline="always", error_model="numpy")
def round_row(x: Any, out: Any, n: int) -> Any:
    """x in whole steps into out; gives the step."""
    step = step_of(x, n)
    for i in range(n):
        out[i] = np.int8(i32(f32(np.rint(x[i] / step + ZERO_POINT)) - ZERO_POINT))
    return step


def rounded_rows(given: Any) -> None:
    a = carray(given, HEADER + 5)
    tokens, n = a[HEADER + 3], a[HEADER + 4]
    first, end = share(a, tokens)
    for row in range(first, end):
        floats(a[HEADER + 2])[row] = round_row(floats(a[HEADER] + 4 * row * n), octets(a[HEADER + 1] + row * n), n)


def weighed_rows(given: Any) -> None:
    a = carray(given, HEADER + 5)
    tokens, n = a[HEADER + 3], a[HEADER + 4]
    first, end = share(a, tokens)
    columns = floats(a[HEADER + 1])
    for row in range(first, end):
        whole, out, step = wholes(a[HEADER] + 4 * row * n), floats(a[HEADER] + 4 * row * n), floats(a[HEADER + 2])[row]
        for i in range(n):
            out[i] = f32(whole[i]) * columns[i] * step


def multiplied_rows(given: Any) -> None:
    a = carray(given, HEADER + 8)
    columns, out = floats(a[HEADER + 2]), floats(a[HEADER + 3])
    tokens, n, outputs = a[HEADER + 5], a[HEADER + 6], a[HEADER + 7]
    first, end = share(a, outputs)
    for token in range(tokens):
        # Every thread rounds all of x, which is less work than to wait for another. They write the same.
        whole = octets(a[HEADER + 4] + token * n)
        step = round_row(floats(a[HEADER] + 4 * token * n), whole, n)
        for row in range(first, end):
            weights, total = octets(a[HEADER + 1] + row * n), i32(0)
            for i in range(n):
                total = i32(total + i32(i32(weights[i]) * i32(whole[i])))
            out[token * outputs + row] = f32(total) * columns[row] * step


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
# Exact, because all ways to a product have to give the same bits.
STEPPED, ROUNDED = loop(stepped_rows, loose=False), loop(rounded_rows, loose=False)
WEIGHED, MULTIPLIED = loop(weighed_rows, loose=False), loop(multiplied_rows, loose=False)
