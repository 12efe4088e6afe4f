"""Answers that are words of the prompt: locate -> read -> quote, with the base model, whose scores are calibrated (engine.calibration).

Knows prompts and events; no thread, no request.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from engine.asked import Asked
from engine.calibration import FOUND_THRESHOLD, LOCATE_CHUNKS, LOOK_CHUNKS, READ_CHUNKS, SPAN_TOKENS, Evidence, found_probability
from engine.events import AnswerEvent, Done, Quote, Token, Usage
from engine.lexical import LexicalHit, terms
from engine.locate import look_at, mean_likelihoods
from engine.opening import Model
from engine.places import Place, Texts, by_words, candidates
from engine.prefill import MODE, ChunkReader
from engine.prompt import Prompt, TokenArray
from engine.quote import locate_quote
from engine.read import Sentence, SpanReader, rank_sentences
from engine.reading_format import asking, ends, examples
from engine.runs import Spent
from engine.steps import Steps, Telling, heard

# Of opened chunks for one sweep: as many as its questions are put to at a time.
SWEEP_BYTES = 256 << 20


class SpanWay:
    """One model's way to answer with words of the prompt. For the engine's thread, but for `answer`."""

    mode = MODE

    def __init__(self, model: Model, reader: ChunkReader) -> None:
        self._tokenizer, self._chat, self._name, self._reader = model.tokenizer, model.chat, model.decoder.config.name, reader
        self._words = SpanReader(model.decoder, model.tokenizer, examples(model.tokenizer), ends(model.tokenizer))

    @property
    def spent(self) -> Spent:
        return self._reader.spent

    def answer(self, asked: Asked) -> Telling[AnswerEvent, None]:
        """The steps of one answer. Words are searched and texts read at once, in the caller's thread. Raises EngineError and OSError."""
        hits = candidates(asked.prompt, asked.question, asked.options.locate_chunks or LOCATE_CHUNKS)
        for hit in hits:
            asked.texts.of(hit.document)
        return self._answer(asked, hits)

    def look(self, prompt: Prompt, hits: Sequence[LexicalHit], question: str, spent: Spent) -> Steps[list[Place]]:
        """The chunks found by words, the best of them looked at by the model and put in order."""
        if not hits:
            return []
        asked, alone = self._chat.ask(question), (yield from self._alone(question))
        looked = yield from look_at(self._reader, prompt, hits[:LOOK_CHUNKS], asked, alone, spent)
        return looked + by_words(prompt, hits[LOOK_CHUNKS:])

    def find(self, question: str, places: Sequence[tuple[Place, str]]) -> Steps[list[Sentence]]:
        """The sentences of the places, each with its body's text, that may answer; best first."""
        if not places:
            return []
        asked, alone = self._chat.ask(question), (yield from self._alone(question))
        return (yield from rank_sentences(self._reader, self._tokenizer, places, asked, question, alone))

    def read(self, sentence: Sentence, asking: TokenArray, max_tokens: int) -> Telling[Token, str]:
        """The answer out of one sentence; `asking` follows it and opens the answer."""
        return self._words.read(sentence, asking, max_tokens)

    def forget(self, prompt: Prompt) -> None:
        """Nothing is kept beside the store."""

    def sweeping(self) -> SpanWay:
        """The same way for one sweep, whose questions share the chunks that they open."""
        way = copy(self)
        way._reader = self._reader.keeping(SWEEP_BYTES)
        return way

    def _alone(self, question: str) -> Steps[float]:
        """How likely the question is after nothing: what every place is measured against."""
        asked = self._chat.ask(question)
        cache = yield from self._reader.start(asked.end)
        (alone,) = yield from mean_likelihoods([cache], [asked.ids[:0]], asked)
        return alone

    def _answer(self, asked: Asked, hits: Sequence[LexicalHit]) -> Telling[AnswerEvent, None]:
        prompt, question, options, texts, spent = asked.prompt, asked.question, asked.options, asked.texts, Spent()
        places = yield from self.look(prompt, hits, question, spent)
        asked.clock.located()
        for place in places:
            yield texts.located(place)
        looked = [place for place in places if place.likelihood is not None]
        found = yield from self.find(question, [(place, texts.body(place.chunk)) for place in looked[: options.read_chunks or READ_CHUNKS]])
        confidence = found_probability(evidence(question, found)) if found else 0.0
        threshold = FOUND_THRESHOLD if options.threshold is None else options.threshold
        answer = ""
        if found and confidence >= threshold:
            read = self.read(found[0], asking(self._tokenizer, question), options.max_tokens or SPAN_TOKENS)
            answer = yield from heard(read, asked.clock.token)
            yield quoted(found[0], texts)
        usage = Usage(prompt.tokens, prompt.chunks, sum(len(place.chunk.ids) for place in looked), len(looked))
        yield Done(answer, bool(answer), confidence, usage, asked.clock.timings(spent.seconds), self._name, self.mode)


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
