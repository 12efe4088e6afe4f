"""Isolated prefill: each chunk is read alone, right after the fixed prefix, and its state kept.

A chunk's state then depends on the prefix and its own tokens only: not on its neighbours, not on where it stands in a prompt.
Knows no question.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.cache.store import ChunkStore, chunk_key
from engine.errors import PromptUnreadable, StoreFull
from engine.events import PrefillEvent
from engine.model.attention import Segment
from engine.model.decoder import Decoder
from engine.prompt import Chunk, Prompt, TokenArray

MODE = "isolated"
PIECE_TOKENS = 512


class ChunkReader:
    """Gives the state of any chunk: from the store, or by reading it now and storing that. For one thread at a time."""

    def __init__(self, decoder: Decoder, prefix: TokenArray, store: ChunkStore, model: str) -> None:
        self._decoder, self._prefix, self.store, self._model = decoder, prefix, store, model
        self._after_prefix: Tensor | None = None
        self.tokens_read = 0
        self.seconds = 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """How fast chunks were read since the start; None before the first."""
        return self.tokens_read / self.seconds if self.tokens_read else None

    def key(self, chunk: Chunk, salt: str) -> bytes:
        return chunk_key(model=self._model, mode=MODE, salt=salt, prefix=self._prefix, chunk=chunk.ids)

    def start(self, room: int = 0) -> KVCache:
        """A cache after the prefix, with room for so many tokens more."""
        cache = self._decoder.new_cache(len(self._prefix) + room)
        if self._after_prefix is None:
            self._read(self._prefix, cache)
            self._after_prefix = cache.state().clone()
        else:
            cache.extend(self._after_prefix)
        return cache

    def open(self, chunk: Chunk, salt: str, room: int = 0) -> KVCache:
        """A cache after prefix and chunk. A store that is full costs only the reading next time."""
        cache = self.start(len(chunk.ids) + room)
        key = self.key(chunk, salt)
        value = self.store.get(key)
        if value is not None:
            cache.extend(self._unpack(value, len(chunk.ids)))
            return cache
        self._read_chunk(chunk, cache)
        with suppress(StoreFull):
            self.store.put(key, self._pack(cache))
        return cache

    def prefill(self, prompt: Prompt, deadline: float | None = None) -> Iterator[PrefillEvent]:
        """Store every chunk that is not stored yet, in order. Past `deadline` (time.monotonic seconds) it ends after the chunk at hand;
        the next call goes on from there. Raises StoreFull when the budget or the disk holds no more of this prompt."""
        chunks_done = tokens_done = 0
        budget_tokens = self.store.budget_bytes // self._decoder.config.kv_bytes_per_token
        for document in prompt.documents:
            for chunk in document.chunks():
                tokens_done += len(chunk.ids)
                if tokens_done > budget_tokens:
                    raise StoreFull(
                        f"The store's budget holds {budget_tokens:,} of this prompt's {prompt.tokens:,} tokens; the rest is read when "
                        "a question needs it. Raise the budget to keep all."
                    )
                fresh = self._store_chunk(chunk, prompt.salt)
                chunks_done += 1
                yield PrefillEvent(document.id, chunks_done, prompt.chunks, tokens_done, prompt.tokens)
                if fresh and deadline is not None and time.monotonic() >= deadline:
                    return

    def _store_chunk(self, chunk: Chunk, salt: str) -> bool:
        key = self.key(chunk, salt)
        if self.store.has(key):
            return False
        cache = self.start(len(chunk.ids))
        self._read_chunk(chunk, cache)
        self.store.put(key, self._pack(cache))
        return True

    def _read_chunk(self, chunk: Chunk, cache: KVCache) -> None:
        if len(chunk.ids) and int(chunk.ids.max()) >= self._decoder.config.vocab:
            raise PromptUnreadable(f"Document {chunk.document} was parsed for another model. Parse it again.")
        before = time.perf_counter()
        self._read(chunk.ids, cache)
        self.seconds += time.perf_counter() - before
        self.tokens_read += len(chunk.ids)

    def _read(self, ids: TokenArray, cache: KVCache) -> None:
        for piece in torch.split(torch.from_numpy(np.array(ids)), PIECE_TOKENS):
            self._decoder(piece, [Segment(cache, len(piece))])

    def _pack(self, cache: KVCache) -> bytes:
        """The chunk's part of the cache as bf16 bytes [layers, 2, G, tokens, D]."""
        state = cache.state(len(self._prefix)).to("cpu", torch.bfloat16).contiguous()
        return state.view(torch.int16).numpy().tobytes()

    def _unpack(self, value: bytes, tokens: int) -> Tensor:
        config = self._decoder.config
        flat = torch.frombuffer(bytearray(value), dtype=torch.bfloat16)
        return flat.view(config.layers, 2, config.kv_heads, tokens, config.head_dim)
