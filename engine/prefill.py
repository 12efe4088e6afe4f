"""Isolated prefill: each chunk is read alone, right after the fixed prefix, and its state kept.

A chunk's state then depends on the prefix and its own tokens and images only: not on its neighbours, not on where it stands in a prompt.
In a model with chunked layers it begins in the prefix's attention chunk and ends, as a rule, in the middle of it; the question goes on
there, so the chunked layers' state of the chunk is kept beside that of the global ones. Knows no question.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from copy import copy

from engine.cache.codec import BF16, Codec
from engine.cache.kv_cache import KVCache
from engine.cache.store import ChunkStore
from engine.errors import StoreFull
from engine.events import PrefillEvent
from engine.model.decoder import Decoder
from engine.model.vision import Vision
from engine.opened import OpenedChunks
from engine.prompt import Chunk, Prompt, TokenArray
from engine.runs import Run, RunReader, Spent, chunks_of, kept_for
from engine.steps import Steps, Telling

MODE = "isolated"


class ChunkReader:
    """Gives the state of any chunk: from the store, or by reading it now and storing that. For the engine's thread."""

    def __init__(
        self,
        decoder: Decoder,
        prefix: TokenArray,
        store: ChunkStore,
        model: str,
        *,
        vision: Vision | None = None,
        codec: Codec = BF16,
    ) -> None:
        self._decoder, self._prefix, self.store = decoder, prefix, store
        self.runs = RunReader(decoder, store, model, vision, codec)
        self._after_prefix: KVCache | None = None
        self._opened: OpenedChunks | None = None

    @property
    def spent(self) -> Spent:
        """All that was read so far."""
        return self.runs.spent

    def key(self, chunk: Chunk, salt: str) -> bytes:
        return self.runs.key(MODE, salt, Run.of(chunk), prefix=self._prefix)

    def start(self, room: int = 0) -> Steps[KVCache]:
        """A cache after the prefix, with room for so many tokens more."""
        if self._after_prefix is None:
            cache = self._decoder.new_cache(len(self._prefix))
            yield from self.runs.read(Run(self._prefix), cache)
            self._after_prefix = cache
        started = self._after_prefix.fork()
        started.reserve(room)
        return started

    def open(self, chunk: Chunk, salt: str, room: int, spent: Spent) -> Steps[KVCache]:
        """A cache after prefix and chunk; `spent` grows if it had to be read. A store that is full costs only the reading next time."""
        self.runs.check(chunk)
        key = self.key(chunk, salt)
        if self._opened is None:
            return (yield from self._open(key, chunk, salt, room, spent))
        cache = yield from self._opened.get(key, lambda: self._open(key, chunk, salt, 0, spent))
        cache.reserve(room)
        return cache

    def pinned(self, chunks: Sequence[Chunk], salt: str) -> AbstractContextManager[None]:
        """While it lasts, what is stored of these chunks stays, whatever else is stored."""
        return self.store.pinned([self.key(chunk, salt) for chunk in chunks])

    def keeping(self, budget_bytes: int) -> ChunkReader:
        """The same reader, which keeps the chunks that it opens open, as many as go into the budget."""
        reader = copy(self)
        reader._opened = OpenedChunks(budget_bytes)
        return reader

    def _open(self, key: bytes, chunk: Chunk, salt: str, room: int, spent: Spent) -> Steps[KVCache]:
        cache = yield from self.start(len(chunk.ids) + room)
        with suppress(StoreFull):
            yield from self.runs.append(key, Run.of(chunk), cache, spent, kept_for(chunk, salt))
        return cache

    def prefill(self, prompt: Prompt, deadline: float | None = None) -> Telling[PrefillEvent, None]:
        """Store every chunk that is not stored yet, in order. Past `deadline` (time.monotonic seconds) it ends after the chunk at hand;
        the next call goes on from there. Raises StoreFull when the budget or the disk holds no more of this prompt."""
        tokens_done = bytes_done = 0
        self.runs.claim_all(((chunk.document, self.key(chunk, prompt.salt)) for chunk in chunks_of(prompt)), prompt.salt)
        for chunks_done, chunk in enumerate(chunks_of(prompt), 1):
            bytes_done += self.runs.stored_bytes(len(self._prefix), Run.of(chunk))
            self.runs.check_budget(bytes_done, tokens_done, prompt)
            fresh = yield from self._store_chunk(chunk, prompt.salt)
            tokens_done += len(chunk.ids)
            yield PrefillEvent(chunk.document, chunks_done, prompt.chunks, tokens_done, prompt.tokens)
            if fresh and deadline is not None and time.monotonic() >= deadline:
                return

    def _store_chunk(self, chunk: Chunk, salt: str) -> Steps[bool]:
        key = self.key(chunk, salt)
        if self.store.has("state", key):
            return False
        self.runs.check(chunk)
        cache = yield from self.start(len(chunk.ids))
        return (yield from self.runs.append(key, Run.of(chunk), cache, Spent(), kept_for(chunk, salt)))
