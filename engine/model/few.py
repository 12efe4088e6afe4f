"""Attention of a few new tokens of each of many sequences, in one compiled loop for all of them.

Every thread takes its share of all sequences' heads, and reads the keys where the caches hold them. What torch offers for this copies
keys into a wider type, takes one sequence at a time, or leaves a thread idle. Knows no model.
Legend: T new tokens of all sequences, H query heads, G kv heads, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numba import carray, njit
from torch import Tensor

from engine.cache.kv_cache import Room
from engine.model.compiled import (
    HEADER,
    Loop,
    as_bits,
    as_float,
    floats,
    from_half,
    halves,
    in_order,
    loop,
    numbers,
    share,
    to_half,
    two_to,
)
from engine.model.tables import Tables

f32, i32 = np.float32, np.int32
LOG2_E = 1.4426950408889634


def serves(rooms: Sequence[Room]) -> bool:
    """Whether this loop reads keys of that type."""
    return rooms[0].dtype in ATTENDED


class Attended:
    """The loop for these sequences, with memory that all layers use in turn."""

    def __init__(self, tables: Tables) -> None:
        self._loop, self._tables = ATTENDED[tables.dtype], tables
        self._table = tables.sequences.data_ptr(), tables.parts.data_ptr(), len(tables.sequences), tables.longest
        self._scores = torch.empty(0)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> None:
        """fp32 [T, H, D] into `out` for fp32 queries [T, H, D], keys and values [T, G, D]; keeps the latter two."""
        _, heads, size = q.shape
        if not len(self._scores):
            self._scores = q.new_empty(len(self._tables.sequences) * heads, self._tables.longest)
        places = q.data_ptr(), k.data_ptr(), v.data_ptr(), out.data_ptr(), self._scores.data_ptr()
        self._loop(*places, q.stride(0), k.stride(0), v.stride(0), *self._table, heads, k.shape[1], size, layer)


@njit(inline="always")
def itself(number: Any) -> Any:
    return number


@njit(inline="always")
def half_at(address: int) -> Any:
    return halves(address)


@njit(inline="always")
def float_at(address: int) -> Any:
    return floats(address)


@njit(inline="always", error_model="numpy")
def score_keys(q: Any, kept: Any, read: Any, base: int, count: int, size: int, apart: int, scores: Any, done: int) -> None:
    """The products of a query with so many keys, four at a time, so that the sums do not wait for each other."""
    fours = count - count % 4
    for j in range(0, fours, 4):
        k = base + j * apart
        k0, k1, k2, k3 = kept(k), kept(k + apart), kept(k + 2 * apart), kept(k + 3 * apart)
        s0, s1, s2, s3 = f32(0), f32(0), f32(0), f32(0)
        for d in range(size):
            s0 += q[d] * read(k0[d])
            s1 += q[d] * read(k1[d])
            s2 += q[d] * read(k2[d])
            s3 += q[d] * read(k3[d])
        scores[done + j], scores[done + j + 1], scores[done + j + 2], scores[done + j + 3] = s0, s1, s2, s3
    for j in range(fours, count):
        key, score = kept(base + j * apart), f32(0)
        for d in range(size):
            score += q[d] * read(key[d])
        scores[done + j] = score


@njit(inline="always", error_model="numpy")
def mix_values(weights: Any, done: int, kept: Any, read: Any, base: int, count: int, size: int, apart: int, out: Any) -> None:
    """Adds so many values by their weights to out, four at a time."""
    fours = count - count % 4
    for j in range(0, fours, 4):
        v = base + j * apart
        v0, v1, v2, v3 = kept(v), kept(v + apart), kept(v + 2 * apart), kept(v + 3 * apart)
        w0, w1, w2, w3 = weights[done + j], weights[done + j + 1], weights[done + j + 2], weights[done + j + 3]
        for d in range(size):
            out[d] += w0 * read(v0[d]) + w1 * read(v1[d]) + w2 * read(v2[d]) + w3 * read(v3[d])
    for j in range(fours, count):
        value, weight = kept(base + j * apart), weights[done + j]
        for d in range(size):
            out[d] += weight * read(value[d])


@njit(inline="always", error_model="numpy")
def attend_heads(given: Any, kept: Any, width: int, read: Any, write: Any) -> None:
    """This thread's heads over keys that are kept so: pointers, bytes a number, and ways to and from fp32."""
    a = carray(given, HEADER + 16)
    q_apart, k_apart, v_apart = a[HEADER + 5], a[HEADER + 6], a[HEADER + 7]
    sequences, all_parts, count, longest = numbers(a[HEADER + 8]), numbers(a[HEADER + 9]), a[HEADER + 10], a[HEADER + 11]
    heads, groups, size, layer = a[HEADER + 12], a[HEADER + 13], a[HEADER + 14], a[HEADER + 15]
    scale = f32(LOG2_E / np.sqrt(f32(size)))
    begin, end = share(a, count * heads)
    for job in range(begin, end):
        sequence, head = job // heads, job % heads
        group = head // (heads // groups)
        first, tokens = sequences[4 * sequence], sequences[4 * sequence + 1]
        parts, many = sequences[4 * sequence + 2], sequences[4 * sequence + 3]
        scores = floats(a[HEADER + 4] + 4 * job * longest)
        length = 0
        for p in range(parts, parts + many):
            length += all_parts[5 * p + 4]
        last = 5 * (parts + many - 1)
        # Every head's job keeps its group's new keys and values before it reads any: all of a group write the same.
        own = all_parts[last] + layer * all_parts[last + 1] + group * all_parts[last + 3]
        for t in range(tokens):
            at = own + (all_parts[last + 4] - tokens + t) * size * width
            k_to, v_to = kept(at), kept(at + all_parts[last + 2])
            k_from = floats(a[HEADER + 1] + 4 * ((first + t) * k_apart + group * size))
            v_from = floats(a[HEADER + 2] + 4 * ((first + t) * v_apart + group * size))
            for d in range(size):
                k_to[d] = write(k_from[d])
                v_to[d] = write(v_from[d])
        for t in range(tokens):
            q = floats(a[HEADER] + 4 * ((first + t) * q_apart + head * size))
            out = floats(a[HEADER + 3] + 4 * ((first + t) * heads + head) * size)
            seen, done = length - tokens + t + 1, 0
            for p in range(parts, parts + many):
                base = all_parts[5 * p] + layer * all_parts[5 * p + 1] + group * all_parts[5 * p + 3]
                here = min(all_parts[5 * p + 4], seen - done)
                score_keys(q, kept, read, base, here, size, size * width, scores, done)
                done += here
            highest = i32(-0x80000000)
            for j in range(seen):
                highest = max(highest, in_order(as_bits(scores[j])))
            top, total = as_float(in_order(highest)), f32(0)
            for j in range(seen):
                weight = two_to((scores[j] - top) * scale)
                scores[j] = weight
                total += weight
            for d in range(size):
                out[d] = f32(0)
            done = 0
            for p in range(parts, parts + many):
                base = all_parts[5 * p] + layer * all_parts[5 * p + 1] + group * all_parts[5 * p + 3] + all_parts[5 * p + 2]
                here = min(all_parts[5 * p + 4], seen - done)
                mix_values(scores, done, kept, read, base, here, size, size * width, out)
                done += here
            for d in range(size):
                out[d] /= total


def half_heads(given: Any) -> None:
    attend_heads(given, half_at, 2, from_half, to_half)


def float_heads(given: Any) -> None:
    attend_heads(given, float_at, 4, itself, itself)


ATTENDED: dict[torch.dtype, Loop] = {torch.bfloat16: loop(half_heads), torch.float32: loop(float_heads)}
