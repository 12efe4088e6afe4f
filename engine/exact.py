"""Exact prefill: the whole prompt is read as one sequence, as the model was trained, and kept unit by unit.

A unit is an attention chunk at its place (in a model without chunked layers, UNIT_TOKENS). At its end the global layers are all that has
to be kept; the last unit, which may end anywhere, keeps the chunked layers' state of its own too. A unit's key holds its parent's: its
state depends on everything before it. Costs O(n^2) in the global layers, and fits the model's context only. Knows no question.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from engine.cache.keys import document_key
from engine.cache.kv_cache import KVCache
from engine.cache.ledger import KeptFor
from engine.errors import EngineError, StoreFull
from engine.events import PrefillEvent
from engine.prompt import Prompt, TokenArray
from engine.runs import Run, RunReader, Spent, chunks_of
from engine.steps import Steps, Telling

MODE = "exact"
UNIT_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Unit:
    """A run of the sequence that begins at position `start`; it ends in `document`, after so many whole `chunks` of the prompt. Its
    state depends on all documents for which it is kept."""

    run: Run
    key: bytes
    start: int
    document: str
    chunks: int
    kept_for: KeptFor

    @property
    def end(self) -> int:
        return self.start + len(self.run.ids)


class ExactReader:
    """Gives the state of a whole prompt: from the store, or by reading on from what is there. For the engine's thread."""

    def __init__(self, runs: RunReader, prefix: TokenArray) -> None:
        self._runs, self._prefix = runs, prefix
        config = runs.decoder.config
        chunk = config.attention_chunk if any(config.chunked) else None
        self._unit_tokens = chunk or UNIT_TOKENS

    def keys(self, prompt: Prompt) -> list[bytes]:
        """Of all that is stored of the prompt."""
        return [unit.key for unit in self._units(prompt)]

    def prefill(self, prompt: Prompt, deadline: float | None = None) -> Telling[PrefillEvent, None]:
        """Store every unit that is not stored yet, in order; what is stored is loaded only if something after it is missing.

        Past `deadline` (time.monotonic seconds) it ends after the unit at hand; the next call goes on from there.

        Raises StoreFull when the budget or the disk holds no more, PromptUnreadable, and EngineError for more than the model's context.
        """
        self._check(prompt, 0)
        cache, stored, bytes_done = self._runs.decoder.new_cache(), list[Unit](), 0
        for unit in self._units(prompt) if prompt.chunks else ():
            bytes_done += self._runs.stored_bytes(unit.start, unit.run)
            self._runs.check_budget(bytes_done, self._read_tokens(unit.start), prompt)
            stored.append(unit)
            fresh = not self._runs.store.has("state", unit.key)
            if fresh:
                for earlier in stored:
                    yield from self._runs.append(earlier.key, earlier.run, cache, Spent(), earlier.kept_for)
                stored.clear()
            else:
                self._runs.claim(unit.key, unit.kept_for)
            yield PrefillEvent(unit.document, unit.chunks, prompt.chunks, self._read_tokens(unit.end), prompt.tokens)
            if fresh and deadline is not None and time.monotonic() >= deadline:
                return

    def open(self, prompt: Prompt, room: int, spent: Spent | None = None) -> Steps[KVCache]:
        """A cache after prefix and prompt, with room for so many tokens more; `spent` grows by what had to be read.

        A store that is full costs only the reading next time. Raises PromptUnreadable, and EngineError for more than the model's context.
        """
        self._check(prompt, room)
        cache = self._runs.decoder.new_cache(len(self._prefix) + prompt.tokens + room)
        units = list(self._units(prompt))
        with self._runs.store.pinned([unit.key for unit in units]):
            for unit in units:
                with suppress(StoreFull):
                    yield from self._runs.append(unit.key, unit.run, cache, spent or Spent(), unit.kept_for)
        return cache

    def _units(self, prompt: Prompt) -> Iterator[Unit]:
        left, key, start, chunks = Run(self._prefix), b"", 0, 0
        document, before = "", dict[str, bytes]()
        for chunk in chunks_of(prompt):
            left, chunks, document = left + Run.of(chunk), chunks + 1, chunk.document
            before[document] = document_key(document, prompt.salt)
            while len(left.ids) >= self._unit_tokens:
                run, left = left.part(0, self._unit_tokens), left.part(self._unit_tokens, len(left.ids))
                key = self._runs.key(MODE, prompt.salt, run, parent=key)
                yield Unit(run, key, start, document, chunks - bool(len(left.ids)), KeptFor(tuple(before.values()), jointly=True))
                start += len(run.ids)
        if len(left.ids):
            yield Unit(
                left,
                self._runs.key(MODE, prompt.salt, left, parent=key),
                start,
                document,
                chunks,
                KeptFor(tuple(before.values()), jointly=True),
            )

    def _read_tokens(self, position: int) -> int:
        """How many of the prompt's own tokens stand before this position."""
        return max(0, position - len(self._prefix))

    def _check(self, prompt: Prompt, room: int) -> None:
        config, needed = self._runs.decoder.config, len(self._prefix) + prompt.tokens + room
        if needed > config.context:
            raise EngineError(
                f"This prompt needs {needed:,} tokens in one piece and {config.name} reads at most {config.context:,}. "
                "Use isolated mode, which has no such limit."
            )
        for chunk in chunks_of(prompt):
            self._runs.check(chunk)
