"""The int8 product of one token or some, as compiled loops that read the weights where they lie, each once for four tokens.

They give the same bits as the bare product of `engine.model.loops.rounded` rows, times the weights' steps, times the tokens'.
Knows no model.
Legend: T tokens, n numbers in a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import carray
from torch import Tensor

from engine.model.compiled import HEADER, floats, loop, octets, share
from engine.model.loops import round_row, rounded
from engine.model.vectors import DOT_BYTES, DOT_ROWS, DOT_TOKENS, HAS_BYTES, dots

f32, i32 = np.float32, np.int32
# With fewer weights than this the caller's thread is done before another has begun.
WEIGHTS_FOR_THREADS = 16_384


def multiplied(x: Tensor, rows: Tensor, sums: Tensor, columns: Tensor) -> Tensor:
    """fp32 [T, out] of fp32 x [T, n], each token rounded to 127 steps of its own, with int8 rows [out, n], their sums in int32 [out] and
    their steps in fp32 [out]."""
    x = x.contiguous()
    (tokens, n), outputs = x.shape, len(rows)
    alone = rows.numel() < WEIGHTS_FOR_THREADS
    if tokens > 1 and HAS_BYTES and n % DOT_BYTES == 0 and outputs % DOT_ROWS == 0:
        room = -(-tokens // DOT_TOKENS) * DOT_TOKENS
        (whole, steps), out = rounded(x, room), x.new_empty(room, outputs)
        given = whole.data_ptr(), steps.data_ptr(), rows.data_ptr(), sums.data_ptr(), columns.data_ptr(), out.data_ptr()
        BY_REGISTERS(*given, room, n, outputs, alone=alone)
        return out[:tokens]
    out, whole = x.new_empty(tokens, outputs), torch.empty(tokens, n, dtype=torch.int8)
    places = x.data_ptr(), rows.data_ptr(), columns.data_ptr(), out.data_ptr(), whole.data_ptr()
    ONE_BY_ONE(*places, tokens, n, outputs, alone=alone)
    return out


def multiplied_by_registers(given: Any) -> None:
    a = carray(given, HEADER + 9)
    tokens, n, outputs = a[HEADER + 6], a[HEADER + 7], a[HEADER + 8]
    first, end = share(a, outputs // DOT_ROWS)
    for row in range(first * DOT_ROWS, end * DOT_ROWS, DOT_ROWS):
        weights, sums, columns = a[HEADER + 2] + row * n, a[HEADER + 3] + 4 * row, a[HEADER + 4] + 4 * row
        for token in range(0, tokens, DOT_TOKENS):
            out = a[HEADER + 5] + 4 * (token * outputs + row)
            dots(out, 4 * outputs, weights, n, sums, columns, a[HEADER] + token * n, a[HEADER + 1] + 4 * token)


def multiplied_one_by_one(given: Any) -> None:
    a = carray(given, HEADER + 8)
    columns, out = floats(a[HEADER + 2]), floats(a[HEADER + 3])
    tokens, n, outputs = a[HEADER + 5], a[HEADER + 6], a[HEADER + 7]
    first, end = share(a, outputs)
    for token in range(tokens):
        # Every thread rounds all of x, which is less work than to wait for another. They write the same.
        whole = octets(a[HEADER + 4] + token * n)
        step = round_row(floats(a[HEADER] + 4 * token * n), whole, n, i32(0))
        for row in range(first, end):
            weights, total = octets(a[HEADER + 1] + row * n), i32(0)
            for i in range(n):
                total = i32(total + i32(i32(weights[i]) * i32(whole[i])))
            out[token * outputs + row] = f32(total) * columns[row] * step


ONE_BY_ONE = loop(multiplied_one_by_one, loose=False)  # exact: the bits are to be those of the other product
if HAS_BYTES:
    BY_REGISTERS = loop(multiplied_by_registers, loose=False)
