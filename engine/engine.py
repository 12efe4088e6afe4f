"""The Scout engine's whole public face: open, prefill, locate, answer, sweep, status.

Models answer in one of two ways: with words of the prompt (`engine.spans`: the base model) or in their own, with quotes (`engine.free`),
over a window of passages, over the stored state of chunks, or over that of the whole prompt.
Everything that a user or a disk can cause ends in a typed event, never in a broken stream.
Words are searched and texts read in the caller's thread; what needs the model or the store goes as steps to the engine's own
(`engine.scheduler`), where several questions are answered together. Knows prompts and events; no rows, no requests, no queues.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from engine.asked import Asked
from engine.cache.codec import codec_named
from engine.cache.keys import document_key
from engine.cache.store import DEFAULT_BUDGET_BYTES, ChunkStore
from engine.calibration import LOCATE_CHUNKS
from engine.close_way import CloseWay
from engine.composed import Composed
from engine.composition import MODE as COMPOSED
from engine.errors import EngineClosed, EngineError
from engine.events import AnswerEvent, AnswerOptions, EngineStatus, Located, PrefillEvent, Token
from engine.exact import MODE as EXACT
from engine.exact import ExactReader
from engine.failed import failed
from engine.free import FreeWay
from engine.generate import reply
from engine.head_way import HeadWay
from engine.index import Indexer
from engine.joined import Joined
from engine.loading.named_reading import Reading, named_reading
from engine.naming import named
from engine.opening import Model, open_model
from engine.passing import in_passing
from engine.places import Place, Texts, fused
from engine.prefill import MODE, ChunkReader
from engine.prompt import Prompt
from engine.read import Sentence
from engine.runs import Spent
from engine.sampling import Sampling
from engine.scan_heads import calibrated
from engine.scheduler import Scheduler
from engine.spans import SpanWay
from engine.steps import Telling
from engine.sweep import AHEAD, SweepEvent, begun, each_document
from engine.task import End
from engine.turns import Kind
from engine.whole import Whole


class Engine:
    """One model with one store, for any number of threads; `engine.runtime` gives each process one."""

    def __init__(self, model: Model, store: ChunkStore, reading: Reading) -> None:
        self.decoder, self.tokenizer, self.chat = model.decoder, model.tokenizer, model.chat
        self._reader = ChunkReader(model.decoder, model.chat.prefix, store, model.fingerprint, vision=model.vision, codec=model.codec)
        self._composed = Composed(model, self._reader.runs) if reading == "composed" else None
        self._whole = Whole(model, self._reader.runs) if reading == "exact" else None
        self._exact = self._whole.reader if self._whole else ExactReader(self._reader.runs, model.chat.prefix)
        self._indexer = Indexer(self._reader.runs, model.chat.prefix, model.scan, model.fingerprint) if model.scan else None
        self._way: SpanWay | FreeWay
        if reading == "spans":
            self._way = _span_way(model, self._reader, self._indexer)
        else:
            self._way = FreeWay(model, self._composed or self._whole or Joined(model), self._indexer)
        self._scheduler = Scheduler(model.decoder)

    @classmethod
    def open(
        cls,
        model: Path,
        store: Path,
        *,
        device: str | None = None,
        budget_bytes: int = DEFAULT_BUDGET_BYTES,
        weights: str | None = None,
        adapter: Path | None = None,
        reading: Reading | None = None,
        codec: str | None = None,
    ) -> Engine:
        """The model in folder `model`, its state kept in folder `store`. `weights` as engine.model.weight_choice has them; `adapter` is a
        folder with a LoRA for this model.

        `reading`: the way to answer; by default the one that the adapter or the model names, else the bundled model's is spans and any
        other's free. `codec`: in which numbers state is stored, of engine.cache.codec. Raises an EngineError that says what to do.
        """
        opened = open_model(model, device=device, weights=weights, adapter=adapter, codec=codec_named(codec))
        chosen = reading or named_reading(model, adapter) or ("spans" if opened.bundled else "free")
        records = ChunkStore(store, budget_bytes)
        if chosen == "composed" and opened.scan is None:
            scan = in_passing(partial(calibrated, opened.decoder, opened.tokenizer, opened.fingerprint, store))
            opened = replace(opened, scan=scan)
        return cls(opened, records, chosen)

    @property
    def name(self) -> str:
        return self.decoder.config.name

    @property
    def spans(self) -> SpanWay:
        """The way of the base model, step by step. Raises EngineError for a model that answers freely."""
        if not isinstance(self._way, SpanWay):
            raise EngineError(f"{self.name} answers in its own words. Open it with reading='spans' to have its scores.")
        return self._way

    def close(self) -> None:
        """End all work, with an EngineError to those who wait for it, and let go of the store."""
        self._scheduler.close()
        self._reader.store.close()

    def status(self) -> EngineStatus:
        """What the engine is and does, as of its next turn. Raises EngineError once it is closed."""
        store, load = self._scheduler.call(self._reader.store.stats), self._scheduler.load()
        return EngineStatus(
            model=self.name,
            device=str(self.decoder.device),
            dtype=str(self.decoder.dtype).removeprefix("torch."),
            mode=self._way.mode,
            store_bytes=store.bytes,
            store_budget_bytes=store.budget_bytes,
            store_chunks=store.chunks,
            store_index_bytes=store.kinds["scan"].bytes,
            store_refused=self._reader.store.refused,
            prefill_tokens_per_second=self._way.spent.tokens_per_second,
            index_tokens_per_second=self._indexer.spent.tokens_per_second if self._indexer else None,
            answers_running=load.answers_running,
            answers_waiting=load.answers_waiting,
            sweeps_running=load.sweeps_running,
            sweeps_waiting=load.sweeps_waiting,
            prefills_running=load.prefills_running,
            prefills_waiting=load.prefills_waiting,
            decode_tokens_per_second=load.decode_tokens_per_second,
            store_file_bytes=store.file_bytes,
            store_hits=store.hits,
            store_misses=store.misses,
            store_evictions=store.evictions,
        )

    def prefill(self, prompt: Prompt, *, mode: str | None = None, deadline: float | None = None) -> Iterator[PrefillEvent]:
        """Store what is not stored yet, chunk by chunk; after `deadline` (time.monotonic seconds) it ends, and a later call goes on.

        `mode`: "isolated", each chunk read alone after the fixed prefix, "composed", each chunk read alone, for a model that answers over
        composed chunks, or "exact", the whole prompt as one sequence within the model's context; by default that of the model's way.
        Isolated and composed prefill go in two tiers, which the events name: first all chunks are indexed, if the model has a scan head,
        then their state is stored, but not for a model that answers over a window: it reads passages together, when a question comes.
        Answers go before it; closing the iterator ends it. Raises StoreFull when no more of this prompt can be kept (questions still
        work), PromptUnreadable for one of another model, EngineError for one that is too long to be exact.
        """
        mode = mode or (COMPOSED if self._composed else EXACT if self._whole else MODE)
        if mode not in (MODE, EXACT, COMPOSED) or (mode == COMPOSED and self._composed is None):
            raise EngineError(f"There is no {mode!r} prefill for {self.name}; use {MODE!r} or {EXACT!r}.")
        if mode == EXACT:
            return self._scheduler.stream(self._exact.prefill(prompt, deadline), kind=Kind.PREFILL)
        return self._scheduler.stream(self._ahead(prompt, mode, deadline), kind=Kind.PREFILL)

    def forget(self, documents: Sequence[str], salt: str) -> None:
        """Delete what is stored for these documents of an owner, by their ids, and for no other, what was read after them in one sequence,
        and what is kept in memory of the owner's questions; then overwrite it in the store's file (docs/security.md)."""
        store = self._reader.store
        for document in documents:
            self._scheduler.call(partial(store.release, document_key(document, salt)))
        self._scheduler.call(partial(self._way.forget, salt))
        store.scrub()

    def locate(self, prompt: Prompt, question: str, *, limit: int = LOCATE_CHUNKS) -> list[Located]:
        """The chunks that may hold the answer, best first. Raises an EngineError."""
        texts = Texts(prompt)
        return [texts.located(place) for place in self.look(prompt, question, limit)]

    def answer(self, prompt: Prompt, question: str, *, options: AnswerOptions | None = None) -> Iterator[AnswerEvent]:
        """Located, then the answer's tokens and quotes, then one Done or Failed. Closing the iterator stops the model at its next turn."""
        try:
            steps = self._way.answer(Asked(prompt, question, options or AnswerOptions(), whole=self._whole is not None))
            events: Iterator[AnswerEvent] = self._scheduler.stream(steps)
            yield from events
        except (EngineError, OSError) as error:
            yield failed(error)

    def sweep(self, prompts: Iterable[Prompt], questions: Sequence[str], *, options: AnswerOptions | None = None) -> Iterator[SweepEvent]:
        """Every question put to every document of the prompts alone, in their order: the events of each answer with the document's id
        and the question's number from 0, several answers at a time. What breaks one answer ends that one with a Failed and no other.

        A document's chunks are opened once for all its questions. Answers that people wait for go before it; closing the iterator stops
        it at the engine's next turn. Raises EngineClosed when the engine is.
        """
        way = self._way.sweeping()
        asks = each_document(prompts, questions, options or AnswerOptions())
        works = ((key, begun(way.answer, asked)) for key, asked in asks)
        told: Iterator[tuple[tuple[str, int], AnswerEvent | End]] = self._scheduler.stream_all(works, kind=Kind.SWEEP, ahead=AHEAD)
        for (document, number), said in told:
            if not isinstance(said, End):
                yield document, number, said
            elif isinstance(said.error, EngineClosed):
                raise said.error
            elif said.error is not None:
                yield document, number, failed(said.error)

    def reply(self, message: str, *, max_tokens: int, temperature: float = 0.0) -> Iterator[Token]:
        """The model's own words after one message, without any document. Raises an EngineError."""
        sampling, ends = Sampling(temperature=temperature), self.decoder.config.end_tokens
        steps = reply(self.decoder, self.tokenizer, message, ends=ends, max_tokens=max_tokens, sampling=sampling)
        return self._scheduler.stream(steps)

    def look(self, prompt: Prompt, question: str, limit: int) -> list[Place]:
        """Chunks by their words and the scan, the best looked at by the model and put in order where its scores are calibrated."""
        asked = named(prompt, question)
        hits = self._way.hits(asked.prompt, asked.question, limit)
        return self._scheduler.run(self._way.look(asked.prompt, hits, asked.question, Spent(), limit)).places

    @property
    def indexes(self) -> bool:
        """Whether the model has a scan head, so that prefill begins with an index tier."""
        return self._indexer is not None

    def scan(self, prompt: Prompt, question: str, limit: int) -> list[Place]:
        """The best chunks by the attention scan alone, best first; none where nothing is indexed. Raises an EngineError."""
        if self._indexer is None:
            return []
        scanned = self._scheduler.run(self._indexer.scan(prompt, self.chat.ask(question)))
        return [] if scanned is None else fused(prompt, [], scanned.attention, limit)

    def find(self, question: str, places: Sequence[tuple[Place, str]]) -> list[Sentence]:
        """The sentences of the places, each with its body's text, that may answer; best first. Raises EngineError as `spans` does."""
        return self._scheduler.run(self.spans.find(question, places))

    def _ahead(self, prompt: Prompt, mode: str, deadline: float | None) -> Telling[PrefillEvent, None]:
        """Isolated or composed prefill, tier after tier."""
        if self._indexer is not None and not (yield from self._indexer.prefill(prompt, deadline)):
            return
        if mode == COMPOSED and self._composed:
            yield from self._composed.reader.prefill(prompt, deadline)
        if isinstance(self._way, SpanWay):
            yield from self._reader.prefill(prompt, deadline)


def _span_way(model: Model, reader: ChunkReader, indexer: Indexer | None) -> SpanWay:
    """By the heads that the model has."""
    if model.reading is None:
        return SpanWay(model, reader, indexer)
    if model.close is None:
        return HeadWay(model, reader, model.reading, indexer)
    return CloseWay(model, reader, model.reading, model.close, indexer)
