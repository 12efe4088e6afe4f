"""Examples -> one packed step: tokens of several examples one behind another, without padding, and what each of them sees.

An example is runs of tokens. Each run is encoded alone, at positions from 0, as the engine reads a chunk or a window. If the example
`asks`, its last run is a question with its answer: global layers show it all runs before, and it begins at the next multiple of the
attention chunk after them, as in composed reading (engine.composition). So a token sees one unbroken stretch that ends with itself, and two
numbers say where that begins: `near` for chunked layers, `far` for global ones. Knows no text and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.prompt import TokenArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Example:
    """`runs` are ids; `weights` of the last run's tokens: how much each counts as something to be foretold. `kind` is for reports."""

    kind: str
    runs: tuple[TokenArray, ...]
    weights: NDArray[np.float32]
    asks: bool = False

    @property
    def tokens(self) -> int:
        return sum(map(len, self.runs))


@dataclass(frozen=True, slots=True)
class Pack:
    """All [T]. `weights[i]`: how much it counts that token i is foretold by the one before it. `kinds[i]`: number of its example's kind."""

    ids: Numbers
    positions: Numbers
    near: Numbers
    far: Numbers
    weights: NDArray[np.float32]
    kinds: Numbers

    @property
    def tokens(self) -> int:
        return len(self.ids)


def pack(examples: Sequence[Example], kinds: Sequence[str], attention_chunk: int) -> Pack:
    """`kinds` names them all, in the order of their numbers."""
    parts = []
    begin = 0
    for example in examples:
        parts.append(_placed(example, begin, kinds.index(example.kind), attention_chunk))
        begin += example.tokens
    return Pack(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _placed(example: Example, begin: int, kind: int, attention_chunk: int) -> tuple[NDArray[np.generic], ...]:
    sizes = [len(run) for run in example.runs]
    starts = np.cumsum([0, *sizes[:-1]])
    first = [0] * len(sizes)
    if example.asks:
        first[-1] = -(-int(starts[-1]) // attention_chunk) * attention_chunk
    positions = np.concatenate([from_ + np.arange(size) for from_, size in zip(first, sizes, strict=True)])
    order, run_starts = np.arange(example.tokens), np.repeat(starts, sizes)
    near = np.maximum(run_starts, order - positions % attention_chunk)
    far = run_starts.copy()
    if example.asks:
        far[starts[-1] :] = 0
    weights = np.zeros(example.tokens, dtype=np.float32)
    weights[starts[-1] + 1 :] = example.weights[1:]  # nothing stands before a run's first token
    ids = np.concatenate(example.runs).astype(np.int64)
    return ids, positions, near + begin, far + begin, weights, np.full(example.tokens, kind)


def stretches(first: Numbers) -> list[tuple[int, int, int]]:
    """(first, start, end): tokens start..end in a row that all see from `first` on."""
    cuts = [0, *(np.flatnonzero(np.diff(first)) + 1).tolist(), len(first)]
    return [(int(first[start]), start, end) for start, end in pairwise(cuts)]
