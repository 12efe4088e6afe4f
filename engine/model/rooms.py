"""Attention through compiled loops: where the keys and values of new tokens go and where those before them lie, as loops over memory read
it, and which loop takes which sequence: `engine.model.few` those with a few new tokens, `engine.model.many` the others.

Knows no model. Legend: T new tokens of all sequences, H query heads, G kv heads, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from engine.cache.kv_cache import KVCache, Room
from engine.model import few, many
from engine.model.tables import Tables

# With more of one sequence matrix products are quicker.
FEW_TOKENS = 8


class Rooms:
    """Where so many new tokens of each sequence go in one track."""

    def __init__(self, tokens: Sequence[int], rooms: Sequence[Sequence[Room]]) -> None:
        loops = (few.Attended, few_of(tokens)), (many.Attended, [not each for each in few_of(tokens)])
        self._loops = [attended(Tables.of(tokens, rooms, chosen)) for attended, chosen in loops if any(chosen)]

    @classmethod
    def of(cls, caches: Sequence[KVCache], tokens: Sequence[int], *, chunked: bool) -> Rooms | None:
        """None where no loop serves one of them: on another device, in another type, or over a chunk's boundary."""
        rooms = [cache.rooms(chunked=chunked) for cache in caches]
        served = (own and (few if count else many).serves(own) for own, count in zip(rooms, few_of(tokens), strict=True))
        return cls(tokens, rooms) if all(served) else None

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """fp32 [T, H, D] of fp32 queries [T, H, D], keys and values [T, G, D] of the track's layer of this number; keeps the latter two.
        Tokens may lie apart, heads may not."""
        out = q.new_empty(q.shape)
        for loop in self._loops:
            loop.attend(layer, q, k, v, out)
        return out


def few_of(tokens: Sequence[int]) -> list[bool]:
    return [count <= FEW_TOKENS for count in tokens]
