"""Which layer keeps what, and how a run of new tokens falls into attention chunks. Imports no torch.

Global layers keep every token. Chunked layers keep the current attention chunk alone, and at its boundary nothing: a prefix that ends
there is whole with its global layers, which is a quarter of the bytes in Llama 4 (engine-wide word: *boundary*).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from engine.config import ModelConfig


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a layer's keys and values lie: in the track of chunked or of global layers, as its so-many-th."""

    chunked: bool
    index: int


def slots(config: ModelConfig) -> tuple[Slot, ...]:
    """One a layer."""
    counts = {True: 0, False: 0}
    placed = []
    for chunked in config.chunked:
        placed.append(Slot(chunked, counts[chunked]))
        counts[chunked] += 1
    return tuple(placed)


def ranges(start: int, tokens: int, chunk: int | None) -> list[tuple[int, int]]:
    """The new tokens 0..tokens that stand at positions start..: first and end of each run within one aligned chunk."""
    if chunk is None or not tokens:
        return [(0, tokens)]
    edges = [0, *range(chunk - start % chunk, tokens, chunk), tokens]
    return list(pairwise(edges))


def tail(start: int, tokens: int, chunk: int | None) -> int:
    """How many of the tokens at positions start.. stand in the attention chunk that is open after them; none at a boundary."""
    return min((start + tokens) % chunk, tokens) if chunk is not None else 0
