"""The Scout engine's whole public face: open, prefill, locate, answer, status.

A question goes locate -> read -> quote. Everything that a user or a disk can cause ends in a typed event, never in a broken stream.
Knows prompts and events; no rows, no requests, no queues.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.cache.store import DEFAULT_BUDGET_BYTES, ChunkStore
from engine.calibration import FOUND_THRESHOLD, LOCATE_CHUNKS, LOOK_CHUNKS, READ_CHUNKS, SPAN_TOKENS, Evidence, found_probability
from engine.chat_format import ChatFormat
from engine.errors import EngineError
from engine.events import AnswerEvent, AnswerOptions, Done, EngineStatus, Failed, Located, PrefillEvent, Quote, Timings, Token, Usage
from engine.lexical import terms
from engine.loading import gguf
from engine.loading.files import file_sum
from engine.locate import look_at, mean_likelihoods
from engine.model.decoder import Decoder
from engine.model.placement import placement
from engine.places import Place, Texts, by_words, candidates
from engine.prefill import MODE, ChunkReader
from engine.prompt import Prompt
from engine.quote import locate_quote
from engine.read import Sentence, SpanReader, rank_sentences
from engine.reading_format import asking, ends, examples
from engine.tokenizer import Tokenizer


class Engine:
    """One model with one store. For one thread at a time; `engine.runtime` gives each process one."""

    def __init__(self, decoder: Decoder, tokenizer: Tokenizer, store: ChunkStore, fingerprint: str) -> None:
        self.decoder, self.tokenizer = decoder, tokenizer
        self.chat = ChatFormat(tokenizer)
        self.spans = SpanReader(decoder, tokenizer, examples(tokenizer), ends(tokenizer))
        self._reader = ChunkReader(decoder, self.chat.prefix, store, f"{fingerprint} {tokenizer.fingerprint} {decoder.dtype}")

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
        """Let go of the store."""
        self._reader.store.close()

    def status(self) -> EngineStatus:
        store, decoder = self._reader.store.stats(), self.decoder
        rate = self._reader.tokens_per_second
        dtype = str(decoder.dtype).removeprefix("torch.")
        return EngineStatus(self.name, str(decoder.device), dtype, MODE, store.bytes, store.budget_bytes, store.chunks, rate)

    def prefill(self, prompt: Prompt, *, mode: str = MODE, deadline: float | None = None) -> Iterator[PrefillEvent]:
        """Store what is not stored yet, chunk by chunk; after `deadline` (time.monotonic seconds) it ends, and a later call goes on.

        Raises StoreFull when no more of this prompt can be kept (questions still work), PromptUnreadable for one of another model.
        """
        if mode != MODE:
            raise EngineError(f"This model was not made for {mode} prefill; use {MODE}.")
        return self._reader.prefill(prompt, deadline)

    def forget(self, prompt: Prompt) -> None:
        """Delete the stored state of every chunk of the prompt, as its owner's."""
        chunks = (chunk for document in prompt.documents for chunk in document.chunks())
        self._reader.store.delete([self._reader.key(chunk, prompt.salt) for chunk in chunks])

    def locate(self, prompt: Prompt, question: str, *, limit: int = LOCATE_CHUNKS) -> list[Located]:
        """The chunks that may hold the answer, best first. Raises an EngineError."""
        texts = Texts(prompt)
        return [texts.located(place) for place in self.look(prompt, question, limit)]

    def answer(self, prompt: Prompt, question: str, *, options: AnswerOptions | None = None) -> Iterator[AnswerEvent]:
        """Located, then the answer's tokens and quotes, then one Done or Failed. Closing the iterator stops the model at its next step."""
        try:
            yield from self._answer(prompt, question, options or AnswerOptions())
        except EngineError as error:
            yield Failed(str(error))
        except OSError as error:
            yield Failed(f"A file of this prompt cannot be read ({error}). Parse the document again.")

    def look(self, prompt: Prompt, question: str, limit: int) -> list[Place]:
        """Chunks by their words, the best of them looked at by the model and put in order."""
        hits = candidates(prompt, question, limit)
        if not hits:
            return []
        looked = look_at(self.decoder, self._reader, prompt, hits[:LOOK_CHUNKS], self.chat.ask(question), self._alone(question))
        return looked + by_words(prompt, hits[LOOK_CHUNKS:])

    def find(self, question: str, places: Sequence[tuple[Place, str]]) -> list[Sentence]:
        """The sentences of the places, each with its body's text, that may answer; best first."""
        if not places:
            return []
        asked, alone = self.chat.ask(question), self._alone(question)
        return rank_sentences(self.decoder, self._reader, self.tokenizer, places, asked, question, alone)

    def _alone(self, question: str) -> float:
        """How likely the question is after nothing: what every place is measured against."""
        asked = self.chat.ask(question)
        return mean_likelihoods(self.decoder, [self._reader.start(asked.end)], [asked.ids[:0]], asked)[0]

    def _answer(self, prompt: Prompt, question: str, options: AnswerOptions) -> Iterator[AnswerEvent]:
        clock, texts = Clock(self._reader.seconds), Texts(prompt)
        places = self.look(prompt, question, options.locate_chunks or LOCATE_CHUNKS)
        clock.located(self._reader.seconds)
        yield from map(texts.located, places)
        looked = [place for place in places if place.likelihood is not None]
        found = self.find(question, [(place, texts.body(place.chunk)) for place in looked[: options.read_chunks or READ_CHUNKS]])
        confidence = found_probability(evidence(question, found)) if found else 0.0
        threshold = FOUND_THRESHOLD if options.threshold is None else options.threshold
        answer = ""
        if found and confidence >= threshold:
            for piece in self.spans.read(found[0], asking(self.tokenizer, question), options.max_tokens or SPAN_TOKENS):
                clock.first_token()
                answer += piece
                yield Token(piece)
            yield quoted(found[0], texts)
        usage = Usage(prompt.tokens, prompt.chunks, sum(len(place.chunk.ids) for place in looked), len(looked))
        yield Done(answer, bool(answer), confidence, usage, clock.timings(), self.name, MODE)


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


class Clock:
    """Seconds since a question arrived."""

    def __init__(self, prefill_seconds: float) -> None:
        self._start, self._before = time.perf_counter(), prefill_seconds
        self._prefill = self._locate = self._first = 0.0

    def located(self, prefill_seconds: float) -> None:
        self._prefill = prefill_seconds - self._before
        self._locate = self._now()

    def first_token(self) -> None:
        self._first = self._first or self._now()

    def timings(self) -> Timings:
        return Timings(self._locate, self._prefill, self._first or self._now(), self._now())

    def _now(self) -> float:
        return time.perf_counter() - self._start
