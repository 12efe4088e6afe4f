"""Composed prefill: each chunk is read in an attention chunk of its own, with nothing before it, and its global layers' state kept.

What such a state holds depends on the chunk's tokens and images alone: no prefix, no position, no neighbour. So the states of any chunks,
in any order, stand behind one another as they lie in the store, the fixed prefix as a chunk of its own before them, and what comes next
begins an attention chunk of its own after them. No chunked layer's state is ever needed again, and none is stored. A chunk longer than an
attention chunk goes on in the next one, as the model reads any long text. For models with chunked layers only. Knows no question.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress

from engine.cache.kv_cache import KVCache, State
from engine.cache.store import ChunkStore
from engine.errors import EngineError, StoreFull
from engine.events import PrefillEvent
from engine.prompt import Chunk, Prompt, TokenArray
from engine.runs import Run, RunReader, Spent, chunks_of, kept_for
from engine.steps import Steps, Telling
from engine.turns import TURN_TOKENS

MODE = "composed"


class ComposedReader:
    """Gives a cache over any chunks: from the store, or by reading them now and storing that. For the engine's thread.

    Raises EngineError for a model without chunked layers, or without a global one.
    """

    def __init__(self, runs: RunReader, prefix: TokenArray) -> None:
        config = runs.decoder.config
        if not config.chunked_layers or not config.global_layers or config.attention_chunk is None:
            raise EngineError(
                f"{config.name} cannot read composed chunks: that takes layers that attend in chunks beside global ones. "
                "Open it with reading='free'."
            )
        self._runs, self._prefix, self._attention_chunk = runs, prefix, config.attention_chunk
        self._after_prefix: KVCache | None = None

    @property
    def spent(self) -> Spent:
        """All that was read so far."""
        return self._runs.spent

    def key(self, chunk: Chunk, salt: str) -> bytes:
        return self._runs.key(MODE, salt, Run.of(chunk))

    def keys(self, prompt: Prompt) -> list[bytes]:
        """Of all that is stored of the prompt."""
        return [self.key(chunk, prompt.salt) for chunk in chunks_of(prompt)]

    def open(self, chunks: Sequence[Chunk], salt: str, room: int, spent: Spent) -> Steps[KVCache]:
        """A cache over the prefix and these chunks in their order, with room for so many tokens more; its forks copy nothing.

        What is stored as the cache's own numbers is not copied either: as long as the cache or a fork of it lives, it reads where the
        store's file lies in memory, whatever is deleted there. `spent` grows by what had to be read. A store that is full costs only the
        reading next time. Raises PromptUnreadable.
        """
        keys = [self.key(chunk, salt) for chunk in chunks]
        held = Held(self._runs.store)
        with suppress(StoreFull):
            self._runs.claim_all(((chunk.document, key) for chunk, key in zip(chunks, keys, strict=True)), salt)
        states: dict[bytes, State] = {}
        missing: dict[bytes, Chunk] = {}
        for key, chunk in zip(keys, chunks, strict=True):
            if key in states or key in missing:
                continue
            if (stored := self._runs.lying(held.reading, key, self._start(chunk), len(chunk.ids))) is not None:
                states[key] = stored
            else:
                missing[key] = chunk
        for group in together(missing.values(), TURN_TOKENS):
            for (key, value), chunk in zip((yield from self._read(group, salt, spent)).items(), group, strict=True):
                with suppress(StoreFull):
                    self._runs.keep(key, value, kept_for(chunk, salt))
                states[key] = self._runs.unpacked(value, self._start(chunk), len(chunk.ids))
        cache = (yield from self._prefix_read()).fork()
        cache.compose((states[key].whole for key in keys), room, held)
        return cache

    def prefill(self, prompt: Prompt, deadline: float | None = None) -> Telling[PrefillEvent, None]:
        """Store every chunk that is not stored yet, in order, as many in a pass as a turn takes. Past `deadline` (time.monotonic seconds)
        it ends after the pass at hand; the next call goes on from there. Raises StoreFull when the budget or the disk holds no more."""
        chunks_done = tokens_done = bytes_done = 0
        self._runs.claim_all(((chunk.document, self.key(chunk, prompt.salt)) for chunk in chunks_of(prompt)), prompt.salt)
        for group in together(chunks_of(prompt), TURN_TOKENS):
            bytes_done += sum(self._runs.stored_bytes(self._start(chunk), Run.of(chunk)) for chunk in group)
            self._runs.check_budget(bytes_done, tokens_done, prompt)
            missing = {
                self.key(chunk, prompt.salt): chunk for chunk in group if not self._runs.store.has("state", self.key(chunk, prompt.salt))
            }
            for key, value in (yield from self._read(list(missing.values()), prompt.salt, Spent())).items():
                self._runs.keep(key, value, kept_for(missing[key], prompt.salt))
            for chunk in group:
                chunks_done, tokens_done = chunks_done + 1, tokens_done + len(chunk.ids)
                yield PrefillEvent(chunk.document, chunks_done, prompt.chunks, tokens_done, prompt.tokens)
            if missing and deadline is not None and time.monotonic() >= deadline:
                return

    def _read(self, chunks: Sequence[Chunk], salt: str, spent: Spent) -> Steps[dict[bytes, bytes]]:
        """The chunks' states as they are stored, by their keys; all in one pass."""
        if not chunks:
            return {}
        for chunk in chunks:
            self._runs.check(chunk)
        before = time.perf_counter()
        caches = yield from self._runs.read_alone([Run.of(chunk) for chunk in chunks])
        tokens, seconds = sum(len(chunk.ids) for chunk in chunks), time.perf_counter() - before
        for each in (spent, self.spent):
            each.add(tokens, seconds)
        states = (State(cache.save().whole, None) for cache in caches)
        return {self.key(chunk, salt): self._runs.packed(state) for chunk, state in zip(chunks, states, strict=True)}

    def _start(self, chunk: Chunk) -> int:
        """Where a chunk would begin that ends at a boundary: where it ends, no chunked layer's state is kept."""
        return -len(chunk.ids) % self._attention_chunk

    def _prefix_read(self) -> Steps[KVCache]:
        if self._after_prefix is None:
            (self._after_prefix,) = yield from self._runs.read_alone([Run(self._prefix)])
        return self._after_prefix


class Held:
    """A reading of the store that lasts as long as this lives: the memory that a composed cache shares with the store belongs to it."""

    def __init__(self, store: ChunkStore) -> None:
        stack = ExitStack()
        self.reading = stack.enter_context(store.reading())
        weakref.finalize(self, stack.close)


def together(chunks: Iterable[Chunk], tokens: int) -> Iterator[list[Chunk]]:
    """The chunks in groups that take at most so many tokens; a longer one is a group of its own."""
    group: list[Chunk] = []
    for chunk in chunks:
        if group and sum(len(each.ids) for each in group) + len(chunk.ids) > tokens:
            yield group
            group = []
        group.append(chunk)
    if group:
        yield group
