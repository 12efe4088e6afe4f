"""The Scout engine's whole public face: open, prefill, locate, answer, status.

A question goes locate -> read -> quote. Everything that a user or a disk can cause ends in a typed event, never in a broken stream.
Knows prompts and events; no rows, no requests, no queues.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from engine.cache.store import DEFAULT_BUDGET_BYTES, ChunkStore
from engine.calibration import FOUND_THRESHOLD, LOCATE_CHUNKS, READ_CHUNKS, Evidence, found_probability
from engine.chat_format import ChatFormat
from engine.errors import EngineError
from engine.events import AnswerEvent, AnswerOptions, Done, EngineStatus, Failed, Located, PrefillEvent, Quote, Timings, Token, Usage
from engine.lexical import match_expression
from engine.loading import gguf
from engine.loading.files import file_sum
from engine.locate import Place, candidates, look_at
from engine.model.decoder import Decoder
from engine.model.placement import placement
from engine.prefill import MODE, ChunkReader
from engine.prompt import Prompt
from engine.quote import locate_quote, sentence_around
from engine.read import Reading, read_spans
from engine.span import Body
from engine.tokenizer import Tokenizer

QUOTE_CHARACTERS = 600


class Engine:
    """One model with one store. For one thread at a time; `engine.runtime` gives each process one."""

    def __init__(self, decoder: Decoder, tokenizer: Tokenizer, store: ChunkStore, fingerprint: str) -> None:
        self.decoder, self.tokenizer = decoder, tokenizer
        self.chat = ChatFormat(tokenizer)
        self.ends = [self.chat.end, *tokenizer.encode("\n").tolist(), *tokenizer.encode(".").tolist()]
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
        return [texts.located(place) for place in self.look(prompt, question, limit, room=0)]

    def answer(self, prompt: Prompt, question: str, *, options: AnswerOptions | None = None) -> Iterator[AnswerEvent]:
        """Located, then the answer's tokens and quotes, then one Done or Failed. Closing the iterator stops the model at its next step."""
        try:
            yield from self._answer(prompt, question, options or AnswerOptions())
        except EngineError as error:
            yield Failed(str(error))
        except OSError as error:
            yield Failed(f"A file of this prompt cannot be read ({error}). Parse the document again.")

    def look(self, prompt: Prompt, question: str, limit: int, room: int) -> list[Place]:
        hits = candidates(prompt, question, limit)
        return look_at(self.decoder, self._reader, prompt, hits, self.chat.ask(question), room) if hits else []

    def _answer(self, prompt: Prompt, question: str, options: AnswerOptions) -> Iterator[AnswerEvent]:
        clock, texts = Clock(self._reader.seconds), Texts(prompt)
        places = self.look(prompt, question, options.locate_chunks or LOCATE_CHUNKS, options.max_tokens)
        clock.located(self._reader.seconds)
        yield from map(texts.located, places)
        readings = [
            Reading(place, Body.of(place.chunk.body, texts.body(place), self.tokenizer.byte_lengths))
            for place in places[: options.read_chunks or READ_CHUNKS]
        ]
        for _ in read_spans(self.decoder, readings, self.ends, options.max_tokens):
            clock.stepped()
        ranked = sorted((reading for reading in readings if reading.done), key=reading_score, reverse=True)
        confidence = found_probability(evidence(question, places, ranked)) if ranked else 0.0
        threshold = FOUND_THRESHOLD if options.threshold is None else options.threshold
        answer = ""
        if ranked and confidence >= threshold:
            answer = yield from self._give(ranked[0], texts)
        read = sum(len(place.chunk.ids) for place in places)
        usage = Usage(prompt.tokens, prompt.chunks, read, len(places))
        yield Done(answer, bool(answer), confidence, usage, clock.timings(), self.name, MODE)

    def _give(self, reading: Reading, texts: Texts) -> Generator[AnswerEvent, None, str]:
        """The answer's tokens and its quote; returns the answer."""
        chunk, body = reading.place.chunk, reading.body
        (start, end), (first, last) = reading.characters(), reading.state.span()
        cuts = [start, *(int(place) for place in body.offsets[first + 1 : last] if start < place < end), end]
        for piece_start, piece_end in pairwise(cuts):
            if piece_end > piece_start:
                yield Token(body.text[piece_start:piece_end])
        quote_start, quote_end = sentence_around(body.text, start, end, QUOTE_CHARACTERS)
        quote = body.text[quote_start:quote_end]
        found = locate_quote(texts.of(chunk.document), quote, chunk.start_char + quote_start)
        place = found or (chunk.start_char + quote_start, chunk.start_char + quote_end)
        yield Quote(chunk.document, *place, quote, verified=found is not None)
        return body.text[start:end]


def reading_score(reading: Reading) -> float:
    """Orders the chunks that were read."""
    return reading.place.score + reading.mean_logprob


def evidence(question: str, places: list[Place], ranked: list[Reading]) -> Evidence:
    """What speaks for the best reading."""
    best, words = ranked[0], max(1, match_expression(question).count('"') // 2)
    others = [place.score for place in places if place is not best.place]
    return Evidence(
        likelihood=best.place.likelihood,
        margin=best.place.score - max(others, default=best.place.score),
        lexical=best.place.lexical / words,
        span=best.mean_logprob,
        rival=best.mean_logprob - max((reading.mean_logprob for reading in ranked[1:]), default=best.mean_logprob),
    )


@dataclass(slots=True)
class Texts:
    """The documents' texts, each read once an answer and only if needed."""

    prompt: Prompt
    _kept: dict[str, str] = field(default_factory=dict)

    def of(self, document: str) -> str:
        if document not in self._kept:
            self._kept[document] = self.prompt.document(document).text()
        return self._kept[document]

    def body(self, place: Place) -> str:
        return self.of(place.chunk.document)[place.chunk.start_char : place.chunk.end_char]

    def located(self, place: Place) -> Located:
        chunk = place.chunk
        text = self.body(place)
        return Located(chunk.document, chunk.index, chunk.start_char, chunk.end_char, text, place.score, place.lexical, place.likelihood)


class Clock:
    """Seconds since a question arrived."""

    def __init__(self, prefill_seconds: float) -> None:
        self._start, self._before = time.perf_counter(), prefill_seconds
        self._prefill = self._locate = self._first = 0.0

    def located(self, prefill_seconds: float) -> None:
        self._prefill = prefill_seconds - self._before
        self._locate = self._first = self._now()

    def stepped(self) -> None:
        self._first = self._now()

    def timings(self) -> Timings:
        return Timings(self._locate, self._prefill, self._first, self._now())

    def _now(self) -> float:
        return time.perf_counter() - self._start
