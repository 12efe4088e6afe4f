"""What answers read first, kept in memory: a second question over the same passages reads only its own tokens.

Owners never share: one's prefixes are found under their own salt only. Knows ids and caches, no prompt. For the engine's thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.cache.kv_cache import KVCache
from engine.prompt import TokenArray


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    salt: str
    ids: TokenArray
    cache: KVCache


class KeptPrefixes:
    """The prefixes that were used last, as many as go into `budget_bytes`. Their caches are only ever forked."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._kept: list[Kept] = []  # the one used last at the end

    def start(self, salt: str, ids: TokenArray) -> KVCache | None:
        """A cache of its own that has read the first `length` of these ids, as many as any kept one has in common with them; None for
        none. At least one of the ids is left to read."""
        own = [kept for kept in self._kept if kept.salt == salt]
        best = max(own, key=lambda kept: common(kept.ids, ids), default=None)
        length = min(common(best.ids, ids), len(ids) - 1) if best else 0
        if best is None or length <= 0:
            return None
        self._kept.remove(best)
        self._kept.append(best)
        cache = best.cache.fork()
        cache.truncate(length)
        return cache

    def keep(self, salt: str, ids: TokenArray, cache: KVCache) -> None:
        """Remember the cache that has read these ids and no more, in place of those that only begin like it; the oldest go when there
        is no room. The caller may go on with its own."""
        self._kept = [kept for kept in self._kept if kept.salt != salt or common(kept.ids, ids) < len(kept.ids)]
        self._kept.append(Kept(salt, ids, cache.fork()))
        while self._kept and self.bytes > self._budget_bytes:
            del self._kept[0]

    def forget(self, salt: str) -> None:
        """Let go of all that an owner's questions left."""
        self._kept = [kept for kept in self._kept if kept.salt != salt]

    @property
    def bytes(self) -> int:
        """Memory held; what two prefixes share counts twice."""
        return sum(kept.cache.bytes for kept in self._kept)


def common(one: TokenArray, other: TokenArray) -> int:
    """How many first tokens of the two are the same."""
    both = min(len(one), len(other))
    different = np.flatnonzero(one[:both] != other[:both])
    return int(different[0]) if len(different) else both
