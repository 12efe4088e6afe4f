"""What loops over memory are told of some sequences' keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from engine.cache.kv_cache import Room


@dataclass(frozen=True, slots=True)
class Tables:
    """`sequences`, int64 [n, 4]: the first of its new tokens among all, how many there are, the first of its parts and their number.
    `parts`, int64 [m, 5]: the first five fields of a `Room`. `longest` and `most`: of one sequence's tokens, and of its new ones."""

    sequences: Tensor
    parts: Tensor
    longest: int
    most: int
    dtype: torch.dtype

    @classmethod
    def of(cls, tokens: Sequence[int], rooms: Sequence[Sequence[Room]], chosen: Sequence[bool]) -> Tables:
        """Of the chosen sequences, at least one; `tokens` are all sequences' new ones."""
        sequences, parts = list[tuple[int, ...]](), list[tuple[int, ...]]()
        for first, count, own, wanted in zip(accumulate(tokens[:-1], initial=0), tokens, rooms, chosen, strict=True):
            if wanted:
                sequences.append((first, count, len(parts), len(own)))
                parts += [room[:5] for room in own]
        longest = max(sum(room.length for room in own) for own, wanted in zip(rooms, chosen, strict=True) if wanted)
        most = max(count for _, count, *_ in sequences)
        return cls(torch.tensor(sequences), torch.tensor(parts), longest, most, rooms[chosen.index(True)][0].dtype)
