"""The index tier of prefill: each chunk goes through the layers below the scan head's, right after the fixed prefix, and leaves a scan
record in the store: one small vector a token, int8 [tokens, W] as raw bytes.

That is enough to find a chunk again (`engine.scan`); what the layers above make of it is the business of `engine.prefill`. Chunks are read
several at a time and in any order: those that a question just asked about go first. Knows no words and no answers.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.cache.keys import chunk_keys, document_key
from engine.cache.kv_cache import KVCache
from engine.cache.ledger import KeptFor
from engine.cache.store import Record
from engine.chat_format import Asked
from engine.errors import StoreFull
from engine.events import PrefillEvent
from engine.model.scan_head import Queries, ScanHead
from engine.prompt import Chunk, Prompt, PromptDocument, TokenArray
from engine.runs import Run, RunReader, Spent
from engine.scan import Scan
from engine.steps import Forward, Steps, Telling, inputs_of
from engine.turns import TURN_TOKENS

MODE = "isolated scan"
# So many tokens wait for the model at once: it is never short of them, and their states take 30 MB in the bundled model.
BATCH_TOKENS = 2 * TURN_TOKENS
# Over so many chunks, 30 MB of records, a scan keeps hold of the memory that it has looked at.
HELD_CHUNKS = 512
# After so long others have a turn, which takes half a second where something is read ahead. A turn after each 30 MB made a question about
# 60,000 chunks wait 40 s.
SLICE_SECONDS = 0.2
# Located chunks that wait to be indexed; of more than this the oldest are no longer in a hurry.
MOST_WANTED = 256


@dataclass(frozen=True, slots=True, eq=False)
class Scanned:
    """How well each chunk of a prompt answers, fp32 [chunks] in the prompt's order; NaN for one that is not indexed."""

    attention: NDArray[np.float32]
    indexed_chunks: int
    indexed_tokens: int


class Indexer:
    """One scan head with one store. For the engine's thread, but for `keys`, which any may call."""

    def __init__(self, runs: RunReader, prefix: TokenArray, head: ScanHead, model: str) -> None:
        self._runs, self._prefix, self._head, self._model = runs, prefix, head, f"{model} {head.fingerprint}"
        self._after_prefix: KVCache | None = None
        self._wanted: dict[bytes, None] = {}
        self.spent = Spent()

    def keys(self, document: PromptDocument, salt: str) -> list[bytes]:
        """Of its chunks' records, in order."""
        return self._keys(document, salt, range(len(document)))

    def question(self, asked: Asked) -> Steps[Queries]:
        """The question's tokens as they search: read as after a chunk, but after the prefix alone."""
        cache = yield from self._start(len(asked.ids))
        ids = torch.from_numpy(asked.ids)
        hidden = yield from inputs_of(self._head.layers, ids, cache, range(asked.first, len(ids)))
        return self._head.queries(hidden)

    def scan(self, prompt: Prompt, asked: Asked) -> Steps[Scanned | None]:
        """All that is indexed of the prompt; None where nothing is. A damaged record is made again. Between slices others have their
        turns."""
        store = self._runs.store
        with store.reading() as reading:
            if not any(reading.held("scan", key) for document in prompt.documents for key in self.keys(document, prompt.salt)):
                return None
            queries = yield from self.question(asked)
            nothing = [self._head.nothing] if self._head.nothing is not None else []
            scanning, number, damaged = Scan([queries, *nothing], prompt.chunks), 0, dict[int, Entry]()
            slice_ends = time.monotonic() + SLICE_SECONDS
            for document in prompt.documents:
                for index, key in enumerate(self.keys(document, prompt.salt)):
                    record = reading.view("scan", key)
                    if record is None and reading.held("scan", key):
                        damaged[number] = Entry(key, document.chunk(index))
                    scanning.put(number, record)
                    number += 1
                    if number % HELD_CHUNKS == 0:
                        reading.give_back()
                        if time.monotonic() > slice_ends:
                            yield ()
                            slice_ends = time.monotonic() + SLICE_SECONDS
            reading.give_back()
        for number, entry in damaged.items():
            made = yield from self._read([entry])
            with suppress(StoreFull):
                self._store([entry], made, prompt.salt)
            scanning.put(number, memoryview(made[0]))
        attention, *lessened = scanning.scores()
        for score in lessened:
            attention = attention - score
        there = ~np.isnan(attention)
        sizes = np.concatenate([document.rows["end_token"] - document.rows["first_token"] for document in prompt.documents])
        return Scanned(attention, int(there.sum()), int(sizes[there].sum()))

    def want(self, prompt: Prompt, chunks: Iterable[Chunk]) -> None:
        """These are asked about: those that are not indexed go first from now on."""
        for chunk in chunks:
            self._wanted |= dict.fromkeys(self._keys(prompt.document(chunk.document), prompt.salt, [chunk.index]))
        while len(self._wanted) > MOST_WANTED:
            del self._wanted[next(iter(self._wanted))]

    def prefill(self, prompt: Prompt, deadline: float | None = None) -> Telling[PrefillEvent, bool]:
        """Index every chunk that is not indexed yet; an event after each batch, and one at once for what is there. Past `deadline`
        (time.monotonic seconds) it ends after the batch at hand and gives False; the next call goes on from there. Raises StoreFull when
        the budget or the disk holds no more of this prompt's records."""
        left = _Left(prompt, self)
        if prompt.chunks:
            yield left.event()
        while batch := left.next(self._wanted):
            self._check_budget(left, batch)
            made = yield from self._read(batch)
            self._store(batch, made, prompt.salt)
            left.done(batch)
            yield left.event()
            if deadline is not None and time.monotonic() >= deadline:
                return not left.chunks
        return True

    def _keys(self, document: PromptDocument, salt: str, numbers: Iterable[int]) -> list[bytes]:
        return chunk_keys(model=self._model, mode=MODE, salt=salt, prefix=self._prefix, document=document, numbers=numbers)

    def claim(self, document: PromptDocument, salt: str) -> tuple[list[bytes], set[bytes]]:
        """The keys of the document's records, which are kept for it from now on, and those under which there is none yet."""
        keys, store = self.keys(document, salt), self._runs.store
        store.refer(document_key(document.id, salt), {"scan": keys})
        return keys, set(store.missing("scan", keys))

    def _read(self, batch: Sequence[Entry]) -> Steps[list[bytes]]:
        """The records of the chunks."""
        before = time.perf_counter()
        chunks = [entry.chunk for entry in batch]
        for chunk in chunks:
            self._runs.check(chunk)
        records = yield from self._records(chunks)
        self.spent.add(sum(len(chunk.ids) for chunk in chunks), time.perf_counter() - before)
        return [record.numpy().tobytes() for record in records]

    def _store(self, batch: Sequence[Entry], made: Sequence[bytes], salt: str) -> None:
        """Each for its document, at once for all of one document. Raises StoreFull."""
        for document, entries in groupby(zip(batch, made, strict=True), key=lambda pair: pair[0].chunk.document):
            records: list[Record] = [("scan", entry.key, record) for entry, record in entries]
            self._runs.store.put_all(records, KeptFor((document_key(document, salt),)))
        for entry in batch:
            self._wanted.pop(entry.key, None)

    def _records(self, chunks: Sequence[Chunk]) -> Steps[list[Tensor]]:
        """int8 [tokens, W] of each. Their tokens are asked for together, but for page images, of which each chunk's come in order."""
        going: list[Iterator[Forward]] = []
        for chunk in chunks:
            cache = yield from self._start(len(chunk.ids))
            going.append(self._runs.parts(Run.of(chunk), cache, self._head.layers))
        made: list[list[Tensor]] = [[] for _ in chunks]
        while step := [(number, part) for number, parts in enumerate(going) if (part := next(parts, None)) is not None]:
            answers = yield tuple(part for _, part in step)
            for (number, _), hidden in zip(step, answers, strict=True):
                made[number].append(self._head.keys(hidden).cpu())
        return [torch.cat(parts) for parts in made]

    def _start(self, room: int) -> Steps[KVCache]:
        if self._after_prefix is None:
            cache = self._runs.decoder.new_cache(len(self._prefix), below=self._head.layers[-1])
            yield from inputs_of(self._head.layers, torch.from_numpy(self._prefix), cache)
            self._after_prefix = cache
        started = self._after_prefix.fork()
        started.reserve(room)
        return started

    def _check_budget(self, left: _Left, batch: Sequence[Entry]) -> None:
        tokens = left.tokens_done + sum(len(entry.chunk.ids) for entry in batch)
        self._runs.check_budget(tokens * self._head.width, left.tokens_done, left.prompt)


@dataclass(frozen=True, slots=True)
class Entry:
    """A chunk without a record, and the record's key."""

    key: bytes
    chunk: Chunk


class _Left:
    """What of a prompt is not indexed yet, in its order."""

    def __init__(self, prompt: Prompt, indexer: Indexer) -> None:
        self.prompt, self.chunks = prompt, 0
        self.tokens_done, self._document = prompt.tokens, prompt.documents[0].id if prompt.documents else ""
        self._places: dict[bytes, list[tuple[PromptDocument, int]]] = {}
        for document in prompt.documents:
            keys, missing = indexer.claim(document, prompt.salt)
            for index, key in enumerate(keys):
                if key in missing:
                    self._places.setdefault(key, []).append((document, index))
                    self.chunks += 1
                    self.tokens_done -= len(document.chunk(index).ids)

    def next(self, wanted: Collection[bytes]) -> list[Entry]:
        """Up to BATCH_TOKENS of it, but one chunk at least; what is wanted first."""
        batch: list[Entry] = []
        tokens = 0
        first = [key for key in wanted if key in self._places]
        for key in [*first, *islice((key for key in self._places if key not in wanted), BATCH_TOKENS)]:
            document, index = self._places[key][0]
            chunk = document.chunk(index)
            tokens += len(chunk.ids)
            if batch and tokens > BATCH_TOKENS:
                break
            batch.append(Entry(key, chunk))
        return batch

    def done(self, batch: Sequence[Entry]) -> None:
        for entry in batch:
            places = self._places.pop(entry.key)
            self.chunks -= len(places)
            self.tokens_done += len(places) * len(entry.chunk.ids)
            self._document = entry.chunk.document

    def event(self) -> PrefillEvent:
        prompt = self.prompt
        return PrefillEvent(self._document, prompt.chunks - self.chunks, prompt.chunks, self.tokens_done, prompt.tokens, tier="index")
