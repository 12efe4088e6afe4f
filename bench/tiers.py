"""The bundled model's two tiers of prefill over a store, as `engine.engine` puts them together but without its thread: to index a prompt,
to stand in for indexing one, and to say how fast both tiers are.

Two cores index a million tokens in minutes and ten million in an hour. So beyond what a bench really indexes, records can stand in: each
token takes the vector that the same token has somewhere in the indexed part, drawn at random. They take the same room and time, and as
distractors they are weaker than real ones: each token means something, but not what it means beside its neighbours.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.process import BenchFailed
from engine.cache.store import ChunkStore
from engine.events import PrefillEvent
from engine.index import Indexer
from engine.loading.bundled import fetch
from engine.opening import Model, open_model
from engine.prefill import ChunkReader
from engine.prompt import Prompt, PromptDocument
from engine.steps import Telling, stream

BUDGET_BYTES = 8 << 30
BATCH_CHUNKS = 256
RATE_DOCUMENTS = 2

Vectors = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Tiers:
    """`indexer` leaves scan records, `reader` states, both in `store`."""

    model: Model
    store: ChunkStore
    reader: ChunkReader
    indexer: Indexer
    width: int

    @classmethod
    def open(cls, folder: Path) -> Tiers:
        """Raises BenchFailed for a model without a scan head, EngineError as the engine does."""
        model = open_model(fetch())
        if model.scan is None:
            raise BenchFailed(
                "The bundled model has no scan head (engine/loading/bundled/scan_head.safetensors). Check out the whole repository."
            )
        store = ChunkStore(folder, BUDGET_BYTES)
        reader = ChunkReader(model.decoder, model.chat.prefix, store, model.fingerprint, codec=model.codec)
        indexer = Indexer(reader.runs, model.chat.prefix, model.scan, model.fingerprint)
        return cls(model, store, reader, indexer, model.scan.width)

    def index(self, prompt: Prompt) -> None:
        """What of it is not indexed yet, by the model."""
        began = time.monotonic()
        for event in stream(self.indexer.prefill(prompt), self.model.decoder):
            if time.monotonic() - began > 10.0:
                print(f"indexed: {event.tokens_done:,} of {event.tokens:,} tokens", file=sys.stderr)
                began = time.monotonic()

    def stand_in(self, prompt: Prompt, indexed: Prompt) -> int:
        """Gives every chunk that has no record one made of the records of `indexed`; of how many tokens."""
        drawn, tokens = Drawn.of(indexed, self), 0
        for entries in batches(self._without_record(prompt)):
            ids = [document.chunk(number).ids for document, number, _ in entries]
            records = drawn.records(ids)
            self.store.put_all([("scan", key, record) for (_, _, key), record in zip(entries, records, strict=True)])
            tokens += sum(map(len, ids))
        return tokens

    def forget_states(self, prompt: Prompt) -> None:
        """What is read for a question is not stored any more."""
        keys = (self.reader.key(chunk, prompt.salt) for document in prompt.documents for chunk in document.chunks())
        there = [key for key in keys if self.store.has("state", key)]
        self.store.delete("state", there)

    def rates(self, prompt: Prompt) -> dict[str, float]:
        """Tokens a second of both tiers, over the first documents of the prompt, of which nothing is stored yet."""
        few = replace(prompt, documents=prompt.documents[:RATE_DOCUMENTS])
        one = replace(prompt, documents=prompt.documents[-1:])
        return {
            "index_tokens_per_s": self._rate(self.indexer.prefill, one, few),
            "state_tokens_per_s": self._rate(self.reader.prefill, one, few),
        }

    def _rate(self, prefill: Callable[[Prompt], Telling[PrefillEvent, object]], before: Prompt, prompt: Prompt) -> float:
        """The prompt `before` is only to warm up."""
        for each in (before, prompt):
            began = time.perf_counter()
            for _ in stream(prefill(each), self.model.decoder):
                pass
        return prompt.tokens / (time.perf_counter() - began)

    def _without_record(self, prompt: Prompt) -> Iterator[tuple[PromptDocument, int, bytes]]:
        for document in prompt.documents:
            keys = self.indexer.keys(document, prompt.salt)
            missing = set(self.store.missing("scan", keys))
            yield from ((document, number, key) for number, key in enumerate(keys) if key in missing)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The vectors int8 [n, W] of an indexed prompt in the order of their tokens' ids, and where each id's begin [vocabulary + 1]."""

    vectors: Vectors
    begins: NDArray[np.int64]
    random: np.random.Generator

    @classmethod
    def of(cls, prompt: Prompt, tiers: Tiers) -> Drawn:
        ids, parts = [], []
        with tiers.store.reading() as reading:
            for document in prompt.documents:
                for number, key in enumerate(tiers.indexer.keys(document, prompt.salt)):
                    if (view := reading.view("scan", key)) is not None:
                        ids.append(document.chunk(number).ids)
                        parts.append(np.frombuffer(view, dtype=np.int8).reshape(-1, tiers.width).copy())
        tokens = np.concatenate(ids)
        order = np.argsort(tokens, kind="stable")
        begins = np.searchsorted(tokens[order], np.arange(tiers.model.decoder.config.vocab + 1))
        return cls(np.concatenate(parts)[order], begins.astype(np.int64), np.random.default_rng(3))

    def records(self, chunks: Sequence[NDArray[np.int32]]) -> list[bytes]:
        """One a chunk. A token that the indexed part does not have takes any vector of it."""
        ids = np.concatenate(chunks)
        first, count = self.begins[ids], self.begins[ids + 1] - self.begins[ids]
        some = self.random.random(len(ids))
        places = np.where(count > 0, first + (some * count).astype(np.int64), (some * len(self.vectors)).astype(np.int64))
        ends = np.cumsum([len(chunk) for chunk in chunks])[:-1]
        return [record.tobytes() for record in np.split(self.vectors[places], ends)]


def batches(entries: Iterator[tuple[PromptDocument, int, bytes]]) -> Iterator[list[tuple[PromptDocument, int, bytes]]]:
    while batch := list(islice(entries, BATCH_CHUNKS)):
        yield batch
