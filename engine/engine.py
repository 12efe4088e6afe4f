"""The Scout engine's whole public face: open, prefill, locate, answer, status.

A question goes locate -> read -> quote. Everything that a user or a disk can cause ends in a typed event, never in a broken stream.
Words are searched and texts read in the caller's thread; what needs the model or the store goes as steps to the engine's own
(`engine.scheduler`), where several questions are answered together. Knows prompts and events; no rows, no requests, no queues.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.cache.store import DEFAULT_BUDGET_BYTES, ChunkStore
from engine.calibration import FOUND_THRESHOLD, LOCATE_CHUNKS, LOOK_CHUNKS, READ_CHUNKS, SPAN_TOKENS, Evidence, found_probability
from engine.chat_format import ChatFormat
from engine.clock import Clock
from engine.errors import EngineError
from engine.events import AnswerEvent, AnswerOptions, Done, EngineStatus, Failed, Located, PrefillEvent, Quote, Usage
from engine.lexical import LexicalHit, terms
from engine.loading import gguf
from engine.loading.files import file_sum
from engine.locate import look_at, mean_likelihoods
from engine.model.decoder import Decoder
from engine.model.placement import placement
from engine.places import Place, Texts, by_words, candidates
from engine.prefill import MODE, ChunkReader, Spent
from engine.prompt import Prompt
from engine.quote import locate_quote
from engine.read import Sentence, SpanReader, rank_sentences
from engine.reading_format import asking, ends, examples
from engine.scheduler import Scheduler
from engine.steps import Steps, Telling, heard
from engine.tokenizer import Tokenizer


class Engine:
    """One model with one store, for any number of threads; `engine.runtime` gives each process one."""

    def __init__(self, decoder: Decoder, tokenizer: Tokenizer, store: ChunkStore, fingerprint: str) -> None:
        self.decoder, self.tokenizer = decoder, tokenizer
        self.chat = ChatFormat(tokenizer)
        self.spans = SpanReader(decoder, tokenizer, examples(tokenizer), ends(tokenizer))
        self._reader = ChunkReader(decoder, self.chat.prefix, store, f"{fingerprint} {tokenizer.fingerprint} {decoder.dtype}")
        self._scheduler = Scheduler(decoder)

    @classmethod
    def open(cls, model: Path, store: Path, *, device: str | None = None, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> Engine:
        """The model in folder `model`, its state kept in folder `store`. Raises an EngineError that says what to do."""
        where, dtype = placement(device)
        config, weights = gguf.load(model / "model.gguf")
        decoder = Decoder.from_weights(config, {name: tensor.to(where, dtype) for name, tensor in weights.items()})
        return cls(decoder, Tokenizer.open(model), ChunkStore(store, budget_bytes), file_sum(model / "model.gguf"))

    @property
    def name(self) -> str:
        return self.decoder.config.name

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
            mode=MODE,
            store_bytes=store.bytes,
            store_budget_bytes=store.budget_bytes,
            store_chunks=store.chunks,
            prefill_tokens_per_second=self._reader.spent.tokens_per_second,
            answers_running=load.answers_running,
            answers_waiting=load.answers_waiting,
            prefills_running=load.prefills_running,
            prefills_waiting=load.prefills_waiting,
            decode_tokens_per_second=load.decode_tokens_per_second,
        )

    def prefill(self, prompt: Prompt, *, mode: str = MODE, deadline: float | None = None) -> Iterator[PrefillEvent]:
        """Store what is not stored yet, chunk by chunk; after `deadline` (time.monotonic seconds) it ends, and a later call goes on.

        Answers go before it; closing the iterator ends it. Raises StoreFull when no more of this prompt can be kept (questions still
        work), PromptUnreadable for one of another model.
        """
        if mode != MODE:
            raise EngineError(f"This model was not made for {mode} prefill; use {MODE}.")
        return self._scheduler.stream(self._reader.prefill(prompt, deadline), prefill=True)

    def forget(self, prompt: Prompt) -> None:
        """Delete the stored state of every chunk of the prompt, as its owner's."""
        keys = [self._reader.key(chunk, prompt.salt) for document in prompt.documents for chunk in document.chunks()]
        self._scheduler.call(lambda: self._reader.store.delete(keys))

    def locate(self, prompt: Prompt, question: str, *, limit: int = LOCATE_CHUNKS) -> list[Located]:
        """The chunks that may hold the answer, best first. Raises an EngineError."""
        texts = Texts(prompt)
        return [texts.located(place) for place in self.look(prompt, question, limit)]

    def answer(self, prompt: Prompt, question: str, *, options: AnswerOptions | None = None) -> Iterator[AnswerEvent]:
        """Located, then the answer's tokens and quotes, then one Done or Failed. Closing the iterator stops the model at its next turn."""
        options, clock, texts = options or AnswerOptions(), Clock(), Texts(prompt)
        try:
            hits = candidates(prompt, question, options.locate_chunks or LOCATE_CHUNKS)
            for hit in hits:
                texts.of(hit.document)
            events: Iterator[AnswerEvent] = self._scheduler.stream(self._answer(texts, hits, question, options, clock))
            yield from events
        except EngineError as error:
            yield Failed(str(error))
        except OSError as error:
            yield Failed(f"A file of this prompt cannot be read ({error}). Parse the document again.")

    def look(self, prompt: Prompt, question: str, limit: int) -> list[Place]:
        """Chunks by their words, the best of them looked at by the model and put in order."""
        return self._scheduler.run(self._look(prompt, candidates(prompt, question, limit), question, Spent()))

    def find(self, question: str, places: Sequence[tuple[Place, str]]) -> list[Sentence]:
        """The sentences of the places, each with its body's text, that may answer; best first."""
        return self._scheduler.run(self._find(question, places))

    def _look(self, prompt: Prompt, hits: Sequence[LexicalHit], question: str, spent: Spent) -> Steps[list[Place]]:
        if not hits:
            return []
        asked, alone = self.chat.ask(question), (yield from self._alone(question))
        looked = yield from look_at(self._reader, prompt, hits[:LOOK_CHUNKS], asked, alone, spent)
        return looked + by_words(prompt, hits[LOOK_CHUNKS:])

    def _find(self, question: str, places: Sequence[tuple[Place, str]]) -> Steps[list[Sentence]]:
        if not places:
            return []
        asked, alone = self.chat.ask(question), (yield from self._alone(question))
        return (yield from rank_sentences(self._reader, self.tokenizer, places, asked, question, alone))

    def _alone(self, question: str) -> Steps[float]:
        """How likely the question is after nothing: what every place is measured against."""
        asked = self.chat.ask(question)
        cache = yield from self._reader.start(asked.end)
        (alone,) = yield from mean_likelihoods([cache], [asked.ids[:0]], asked)
        return alone

    def _answer(
        self, texts: Texts, hits: Sequence[LexicalHit], question: str, options: AnswerOptions, clock: Clock
    ) -> Telling[AnswerEvent, None]:
        prompt, spent = texts.prompt, Spent()
        places = yield from self._look(prompt, hits, question, spent)
        clock.located()
        for place in places:
            yield texts.located(place)
        looked = [place for place in places if place.likelihood is not None]
        found = yield from self._find(
            question, [(place, texts.body(place.chunk)) for place in looked[: options.read_chunks or READ_CHUNKS]]
        )
        confidence = found_probability(evidence(question, found)) if found else 0.0
        threshold = FOUND_THRESHOLD if options.threshold is None else options.threshold
        answer = ""
        if found and confidence >= threshold:
            read = self.spans.read(found[0], asking(self.tokenizer, question), options.max_tokens or SPAN_TOKENS)
            answer = yield from heard(read, clock.token)
            yield quoted(found[0], texts)
        usage = Usage(prompt.tokens, prompt.chunks, sum(len(place.chunk.ids) for place in looked), len(looked))
        yield Done(answer, bool(answer), confidence, usage, clock.timings(spent.seconds), self.name, MODE)


def quoted(sentence: Sentence, texts: Texts) -> Quote:
    """The whole sentence as it stands in its document, looked for there byte by byte."""
    chunk = sentence.place.chunk
    quote = sentence.text[sentence.start : sentence.end]
    expected = chunk.start_char + sentence.start
    found = locate_quote(texts.of(chunk.document), quote, expected)
    start, end = found or (expected, expected + len(quote))
    return Quote(chunk.document, start, end, quote, verified=found is not None)


def evidence(question: str, sentences: Sequence[Sentence]) -> Evidence:
    """What speaks for the best sentence."""
    best = sentences[0]
    return Evidence(
        likelihood=best.place.likelihood or 0.0,
        lexical=best.place.lexical / max(1, len(terms(question))),
        sentence=best.likelihood,
        overlap=best.overlap,
        margin=best.score - sentences[1].score if len(sentences) > 1 else 0.0,
    )
