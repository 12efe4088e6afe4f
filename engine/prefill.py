"""Isolated prefill: each chunk is read alone, right after the fixed prefix, and its state kept.

A chunk's state then depends on the prefix and its own tokens only: not on its neighbours, not on where it stands in a prompt.
Knows no question.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.cache.store import ChunkStore, chunk_key
from engine.errors import PromptUnreadable, StoreFull
from engine.events import PrefillEvent
from engine.model.decoder import Decoder
from engine.prompt import Chunk, Prompt, TokenArray
from engine.steps import Steps, Telling, forward

MODE = "isolated"


@dataclass(slots=True)
class Spent:
    """Tokens of chunks that had to be read, and the seconds until they were, other work's turns in between included."""

    tokens: int = 0
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """None before the first."""
        return self.tokens / self.seconds if self.tokens else None

    def add(self, tokens: int, seconds: float) -> None:
        self.tokens += tokens
        self.seconds += seconds


class ChunkReader:
    """Gives the state of any chunk: from the store, or by reading it now and storing that. For the engine's thread."""

    def __init__(self, decoder: Decoder, prefix: TokenArray, store: ChunkStore, model: str) -> None:
        self._decoder, self._prefix, self.store, self._model = decoder, prefix, store, model
        self._after_prefix: Tensor | None = None
        self.spent = Spent()

    def key(self, chunk: Chunk, salt: str) -> bytes:
        return chunk_key(model=self._model, mode=MODE, salt=salt, prefix=self._prefix, chunk=chunk.ids)

    def start(self, room: int = 0) -> Steps[KVCache]:
        """A cache after the prefix, with room for so many tokens more."""
        cache = self._decoder.new_cache(len(self._prefix) + room)
        if self._after_prefix is None:
            yield from self._read(self._prefix, cache)
            self._after_prefix = cache.state().clone()
        else:
            cache.extend(self._after_prefix)
        return cache

    def open(self, chunk: Chunk, salt: str, room: int, spent: Spent) -> Steps[KVCache]:
        """A cache after prefix and chunk; `spent` grows if it had to be read. A store that is full costs only the reading next time."""
        cache = yield from self.start(len(chunk.ids) + room)
        key = self.key(chunk, salt)
        value = self.store.get(key)
        if value is not None:
            cache.extend(self._unpack(value, len(chunk.ids)))
            return cache
        yield from self._read_chunk(chunk, cache, spent)
        with suppress(StoreFull):
            self.store.put(key, self._pack(cache))
        return cache

    def prefill(self, prompt: Prompt, deadline: float | None = None) -> Telling[PrefillEvent, None]:
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
                fresh = yield from self._store_chunk(chunk, prompt.salt)
                chunks_done += 1
                yield PrefillEvent(document.id, chunks_done, prompt.chunks, tokens_done, prompt.tokens)
                if fresh and deadline is not None and time.monotonic() >= deadline:
                    return

    def _store_chunk(self, chunk: Chunk, salt: str) -> Steps[bool]:
        key = self.key(chunk, salt)
        if self.store.has(key):
            return False
        cache = yield from self.start(len(chunk.ids))
        yield from self._read_chunk(chunk, cache, Spent())
        self.store.put(key, self._pack(cache))
        return True

    def _read_chunk(self, chunk: Chunk, cache: KVCache, spent: Spent) -> Steps[None]:
        if len(chunk.ids) and int(chunk.ids.max()) >= self._decoder.config.vocab:
            raise PromptUnreadable(f"Document {chunk.document} was parsed for another model. Parse it again.")
        before = time.perf_counter()
        yield from self._read(chunk.ids, cache)
        seconds = time.perf_counter() - before
        for each in (spent, self.spent):
            each.add(len(chunk.ids), seconds)

    def _read(self, ids: TokenArray, cache: KVCache) -> Steps[None]:
        if len(ids):
            yield from forward(torch.from_numpy(np.array(ids)), cache)

    def _pack(self, cache: KVCache) -> bytes:
        """The chunk's part of the cache as bf16 bytes [layers, 2, G, tokens, D]."""
        state = cache.state(len(self._prefix)).to("cpu", torch.bfloat16).contiguous()
        return state.view(torch.int16).numpy().tobytes()

    def _unpack(self, value: bytes, tokens: int) -> Tensor:
        config = self._decoder.config
        flat = torch.frombuffer(bytearray(value), dtype=torch.bfloat16)
        return flat.view(config.layers, 2, config.kv_heads, tokens, config.head_dim)
