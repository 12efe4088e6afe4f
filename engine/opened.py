"""Chunks that stay open in memory while a sweep puts its questions to them, so that each is taken out of the store once.

The ones used last, as many as go into a budget. A chunk that one question is opening is not opened by the next one, which waits. Knows no
question. For the engine's thread.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.cache.kv_cache import KVCache
from engine.steps import Steps


class OpenedChunks:
    """Caches by the keys of their chunks in the store. They are only ever forked."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._kept: dict[bytes, KVCache] = {}  # the one used last at the end
        self._opening: set[bytes] = set()

    def get(self, key: bytes, opening: Callable[[], Steps[KVCache]]) -> Steps[KVCache]:
        """A cache of its own after the chunk; `opening` opens it where none is kept."""
        while key in self._opening:
            yield ()
        if key not in self._kept:
            self._opening.add(key)
            try:
                cache = yield from opening()
            finally:
                self._opening.discard(key)
            self._kept[key] = cache
            self._shrink()
            return cache.fork()
        self._kept[key] = cache = self._kept.pop(key)
        return cache.fork()

    def _shrink(self) -> None:
        held = sum(cache.bytes for cache in self._kept.values())
        while held > self._budget_bytes:
            held -= self._kept.pop(next(iter(self._kept))).bytes
