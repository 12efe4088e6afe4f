"""Attention of many new tokens of some sequences over bf16 keys, in two compiled loops for all of them.

The first lays a layer's keys and values out as the product of a tile wants them (`engine.model.vectors.tile`); the second takes a tile of
queries of one head at a time, whose scores stay in the processor's cache, and looks at no key beyond the tile's last. What torch offers
writes scores, their mask and their softmax to memory in passes of their own. A row's result depends on that row and the keys before it
alone, bit for bit. Knows no model.
Legend: T new tokens, H query heads, G kv heads, D head size, L tokens with the cached ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numba import carray, njit
from torch import Tensor

from engine.cache.kv_cache import Room
from engine.model.compiled import HEADER, as_bits, as_float, floats, halves, in_order, loop, numbers, own_of, share, to_half, two_to, wholes
from engine.model.tables import Tables
from engine.model.vectors import HAS_HALVES, TILE_COLUMNS, TILE_ROWS, tile

f32, i32 = np.float32, np.int32
LOG2_E = 1.4426950408889634
ROWS = 4 * TILE_ROWS
"""Queries that meet the same keys one after another, while these are near."""
LONGEST = 65_536
"""With more keys the scores of a tile would leave the cache, and a layout of all keys takes too much memory."""
NUMBER_BYTES, HALF_BYTES = 4, 2


def serves(rooms: Sequence[Room]) -> bool:
    """Whether these loops attend to so many keys of that type and size."""
    first, length = rooms[0], sum(room.length for room in rooms)
    return HAS_HALVES and first.dtype is torch.bfloat16 and first.size % TILE_COLUMNS == 0 and length <= LONGEST


class Attended:
    """The loops for these sequences, with memory that all layers use in turn."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._panels, self._tiles = -(-tables.longest // TILE_COLUMNS), -(-tables.most // ROWS)
        self._table = tables.sequences.data_ptr(), tables.parts.data_ptr(), len(tables.sequences), self._panels
        self._room = self._scratch = self._nothing = torch.empty(0)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> None:
        """fp32 [T, H, D] into `out` for fp32 queries [T, H, D], keys and values [T, G, D]; keeps the latter two."""
        _, heads, size = q.shape
        groups, workers, length = k.shape[1], torch.get_num_threads(), self._panels * TILE_COLUMNS
        if not len(self._room):
            self._room = torch.empty(len(self._tables.sequences) * groups * 2 * length * size, dtype=torch.bfloat16)
            self._nothing = torch.zeros(size, dtype=torch.bfloat16)
            self._scratch = torch.empty(workers * scratch_bytes(length, size), dtype=torch.uint8)
        common = *self._table, heads, groups, size, layer, self._room.data_ptr()
        LAID_OUT(k.data_ptr(), v.data_ptr(), k.stride(0), v.stride(0), *common, self._nothing.data_ptr())
        places = q.data_ptr(), out.data_ptr(), q.stride(0), self._tiles
        ATTENDED(*places, *common, self._scratch.data_ptr(), workers, scratch_bytes(length, size))


def scratch_bytes(length: int, size: int) -> int:
    """What a thread needs for a tile: queries, mixtures, scores, weights and their sums."""
    return ROWS * ((size + length) * (HALF_BYTES + NUMBER_BYTES) + NUMBER_BYTES)


# --- the loops themselves ---


@njit(inline="always", error_model="numpy")
def length_of(sequences: Any, parts: Any, sequence: int) -> int:
    first, many, length = sequences[4 * sequence + 2], sequences[4 * sequence + 3], 0
    for p in range(first, first + many):
        length += parts[5 * p + 4]
    return length


@njit(inline="always", error_model="numpy")
def place_of(sequences: Any, parts: Any, sequence: int, token: int, layer: int, group: int, token_bytes: int) -> tuple[int, int]:
    """The addresses of a token's key and value."""
    p = sequences[4 * sequence + 2]
    while token >= parts[5 * p + 4]:
        token -= parts[5 * p + 4]
        p += 1
    key = parts[5 * p] + layer * parts[5 * p + 1] + group * parts[5 * p + 3] + token * token_bytes
    return key, key + parts[5 * p + 2]


@njit(inline="always", error_model="numpy")
def round_to(out: Any, x: Any, scale: Any, n: int) -> None:
    for i in range(n):
        out[i] = to_half(x[i] * scale)


@njit(inline="always", error_model="numpy")
def spread(key: int, value: int, keys: int, values: int, token: int, size: int, length: int) -> None:
    """Puts a token's key and value where the products' panels [steps, 64, 2] want them: a key's numbers go by pairs into its column, a
    value's go beside those of the next token's or the one's before."""
    pairs, column = wholes(key), wholes(keys + (token - token % TILE_COLUMNS) * size * HALF_BYTES)
    for d in range(size // 2):
        column[d * TILE_COLUMNS + token % TILE_COLUMNS] = pairs[d]
    row = (token // 2) * 2 * TILE_COLUMNS + token % 2
    for block in range(0, size, TILE_COLUMNS):
        own, panel = halves(value + block * HALF_BYTES), halves(values + block * length * HALF_BYTES)
        for d in range(TILE_COLUMNS):
            panel[row + 2 * d] = own[d]


def lay_out(given: Any) -> None:
    """This thread's panels of 64 keys and values, empty ones behind the last; new ones are kept first."""
    a = carray(given, HEADER + 14)
    k_apart, v_apart, nothing = a[HEADER + 2], a[HEADER + 3], a[HEADER + 13]
    sequences, parts, count, panels = numbers(a[HEADER + 4]), numbers(a[HEADER + 5]), a[HEADER + 6], a[HEADER + 7]
    groups, size, layer, room = a[HEADER + 9], a[HEADER + 10], a[HEADER + 11], a[HEADER + 12]
    length = panels * TILE_COLUMNS
    whole = length * size * HALF_BYTES
    begin, end = share(a, count * groups * panels)
    for job in range(begin, end):
        sequence, group, first = job // (groups * panels), job // panels % groups, job % panels * TILE_COLUMNS
        seen = length_of(sequences, parts, sequence)
        old = seen - sequences[4 * sequence + 1]
        keys = room + 2 * (sequence * groups + group) * whole
        for token in range(first, first + TILE_COLUMNS):
            key = value = nothing
            if token < seen:
                key, value = place_of(sequences, parts, sequence, token, layer, group, size * HALF_BYTES)
            if old <= token < seen:
                new = sequences[4 * sequence] + token - old
                round_to(halves(key), floats(a[HEADER] + NUMBER_BYTES * (new * k_apart + group * size)), f32(1), size)
                round_to(halves(value), floats(a[HEADER + 1] + NUMBER_BYTES * (new * v_apart + group * size)), f32(1), size)
            spread(key, value, keys, keys + whole, token, size, length)


@njit(inline="always", error_model="numpy")
def weigh(scores: Any, weights: Any, seen: int, end: int) -> Any:
    """Two to the power of each score below the highest, in bf16, none for those unseen; gives the sum."""
    highest = i32(-0x80000000)
    for j in range(seen):
        highest = max(highest, in_order(as_bits(scores[j])))
    top, total = as_float(in_order(highest)), f32(0)
    for j in range(seen):
        weight = two_to(scores[j] - top)
        weights[j] = to_half(weight)
        total += weight
    for j in range(seen, end):
        weights[j] = 0
    return total


@njit(inline="always", error_model="numpy")
def products(out: int, out_apart: int, left: int, left_apart: int, panel: int, steps: int, rows: int) -> None:
    """`tile` for up to ROWS rows, or some more up to a multiple of TILE_ROWS."""
    for r in range(0, rows, TILE_ROWS):
        tile(out + r * out_apart, out_apart, left + r * left_apart, left_apart, panel, steps)


def attend_tiles(given: Any) -> None:
    """This thread's tiles: every so manieth, since later tiles see more keys."""
    a = carray(given, HEADER + 16)
    q_apart, tiles = a[HEADER + 2], a[HEADER + 3]
    sequences, parts, count, panels = numbers(a[HEADER + 4]), numbers(a[HEADER + 5]), a[HEADER + 6], a[HEADER + 7]
    heads, groups, size, room = a[HEADER + 8], a[HEADER + 9], a[HEADER + 10], a[HEADER + 12]
    length = panels * TILE_COLUMNS
    own, step = own_of(a, a[HEADER + 14])
    queries = a[HEADER + 13] + own * a[HEADER + 15]
    mixed = queries + ROWS * size * HALF_BYTES
    scores = mixed + ROWS * size * NUMBER_BYTES
    weights = scores + ROWS * length * NUMBER_BYTES
    totals = floats(weights + ROWS * length * HALF_BYTES)
    row_bytes, weight_bytes, score_bytes, mixed_bytes = size * HALF_BYTES, length * HALF_BYTES, length * NUMBER_BYTES, size * NUMBER_BYTES
    scale = f32(LOG2_E / np.sqrt(f32(size)))
    for job in range(own, count * tiles * heads, step):
        sequence, at, head = job // (tiles * heads), job // heads % tiles * ROWS, job % heads
        tokens, first = sequences[4 * sequence + 1], sequences[4 * sequence] + at
        rows = min(ROWS, tokens - at)
        if rows <= 0:
            continue
        keys = room + 2 * (sequence * groups + head // (heads // groups)) * length * row_bytes
        seen = length_of(sequences, parts, sequence) - tokens + at + 1
        used = (seen + rows - 1 + TILE_COLUMNS - 1) // TILE_COLUMNS
        for r in range(rows):
            round_to(halves(queries + r * row_bytes), floats(a[HEADER] + NUMBER_BYTES * ((first + r) * q_apart + head * size)), scale, size)
        for panel in range(used):
            to, those = scores + panel * TILE_COLUMNS * NUMBER_BYTES, keys + panel * TILE_COLUMNS * row_bytes
            products(to, score_bytes, queries, row_bytes, those, size // 2, rows)
        for r in range(rows):
            totals[r] = weigh(floats(scores + r * score_bytes), halves(weights + r * weight_bytes), seen + r, used * TILE_COLUMNS)
        for block in range(0, size, TILE_COLUMNS):
            values = keys + length * row_bytes + block * weight_bytes
            products(mixed + block * NUMBER_BYTES, mixed_bytes, weights, weight_bytes, values, used * TILE_COLUMNS // 2, rows)
        for r in range(rows):
            out, mixture = floats(a[HEADER + 1] + ((first + r) * heads + head) * mixed_bytes), floats(mixed + r * mixed_bytes)
            for d in range(size):
                out[d] = mixture[d] / totals[r]


if HAS_HALVES:
    LAID_OUT, ATTENDED = loop(lay_out), loop(attend_tiles)
