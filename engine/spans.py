"""Answers that are words of the prompt: locate -> read -> quote, with the base model, whose scores are calibrated (engine.calibration).

Knows prompts and events; no thread, no request.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from engine.asked import Asked
from engine.calibration import (
    ATTENTION_UNKNOWN,
    FOUND_THRESHOLD,
    LOCATE_CHUNKS,
    LOOK_CHUNKS,
    READ_CHUNKS,
    SPAN_TOKENS,
    WIDE_CHUNKS,
    Evidence,
    found_probability,
)
from engine.chat_format import Asked as Put
from engine.events import AnswerEvent, Done, Quote, Token, Usage
from engine.index import Indexer
from engine.lexical import LexicalHit, terms
from engine.locate import Found, find, look_at, mean_likelihoods
from engine.opening import Model
from engine.places import Place, Texts, candidates
from engine.prefill import MODE, ChunkReader
from engine.prompt import Prompt, TokenArray
from engine.quote import locate_quote
from engine.read import Sentence, SpanReader, rank_sentences
from engine.reading_format import asking, ends, examples
from engine.runs import Spent
from engine.steps import Steps, Telling, heard

# So many chunks' BM25 takes part beside the scan; what comes after them has hardly any.
SCANNED_HITS = 1000
# Of opened chunks for one sweep: as many as its questions are put to at a time.
SWEEP_BYTES = 256 << 20


class SpanWay:
    """One model's way to answer with words of the prompt. For the engine's thread, but for `answer`."""

    def __init__(self, model: Model, reader: ChunkReader, indexer: Indexer | None = None) -> None:
        self._indexer, self.mode = indexer, reader.runs.mode(MODE)
        self._tokenizer, self._chat, self._name, self._reader = model.tokenizer, model.chat, model.decoder.config.name, reader
        self._words = SpanReader(model.decoder, model.tokenizer, examples(model.tokenizer), ends(model.tokenizer))

    @property
    def spent(self) -> Spent:
        return self._reader.spent

    def answer(self, asked: Asked) -> Telling[AnswerEvent, None]:
        """The steps of one answer. Words are searched and texts read at once, in the caller's thread, but for those that only the scan
        finds. Raises EngineError and OSError."""
        limit = asked.options.locate_chunks or LOCATE_CHUNKS
        hits = self.hits(asked.prompt, asked.bare, limit)
        for hit in hits[:limit]:
            asked.texts.of(hit.document)
        return self._answer(asked, hits, limit)

    def hits(self, prompt: Prompt, question: str, limit: int) -> list[LexicalHit]:
        """What the words say, of as many chunks as `look` makes use of to find so many places."""
        return candidates(prompt, question, limit if self._indexer is None else max(limit, SCANNED_HITS))

    def locate(self, prompt: Prompt, hits: Sequence[LexicalHit], asked: Put, limit: int) -> Steps[Found]:
        """The chunks found by words and by the scan, best first; none has been looked at."""
        return (yield from find(self._indexer, prompt, hits, asked, limit))

    def look(self, prompt: Prompt, hits: Sequence[LexicalHit], question: str, spent: Spent, limit: int) -> Steps[Found]:
        """The chunks found by words and by the scan, the best of them looked at by the model and put in order."""
        if not terms(question) or not prompt.chunks:
            return Found([])
        asked = self._chat.ask(question)
        found = yield from self.locate(prompt, hits, asked, limit)
        if not found.places:
            return found
        alone = yield from self._alone(question)
        looked = yield from look_at(self._reader, prompt, found.places[:LOOK_CHUNKS], asked, alone, spent)
        return replace(found, places=looked + found.places[LOOK_CHUNKS:])

    def find(self, question: str, places: Sequence[tuple[Place, str]]) -> Steps[list[Sentence]]:
        """The sentences of the places, each with its body's text, that may answer; best first."""
        if not places:
            return []
        asked, alone = self._chat.ask(question), (yield from self._alone(question))
        return (yield from rank_sentences(self._reader, self._tokenizer, places, asked, question, alone))

    def read(self, sentence: Sentence, asking: TokenArray, max_tokens: int) -> Telling[Token, str]:
        """The answer out of one sentence; `asking` follows it and opens the answer."""
        return self._words.read(sentence, asking, max_tokens)

    def forget(self, salt: str) -> None:
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

    def _answer(self, asked: Asked, hits: Sequence[LexicalHit], limit: int) -> Telling[AnswerEvent, None]:
        prompt, question, options, texts, spent = asked.prompt, asked.bare, asked.options, asked.texts, Spent()
        located = yield from self.look(prompt, hits, question, spent, limit)
        asked.clock.located()
        for place in located.places:
            yield texts.located(place)
        looked = [place for place in located.places if place.likelihood is not None]
        threshold = FOUND_THRESHOLD if options.threshold is None else options.threshold
        found, confidence = yield from self._search(asked, looked, threshold)
        answer = ""
        if found and confidence >= threshold:
            read = self.read(found[0], asking(self._tokenizer, question), options.max_tokens or SPAN_TOKENS)
            answer = yield from heard(read, asked.clock.token)
            yield quoted(found[0], texts)
        read_tokens = sum(len(place.chunk.ids) for place in looked)
        usage = Usage(
            prompt.tokens, prompt.chunks, read_tokens, len(looked), located.indexed_tokens, located.indexed_chunks, asked.named.documents
        )
        yield Done(answer, bool(answer), confidence, usage, asked.clock.timings(spent.seconds), self._name, self.mode)

    def _search(self, asked: Asked, places: Sequence[Place], threshold: float) -> Steps[tuple[list[Sentence], float]]:
        """The sentences of the first places, best first, and how likely it is that the answer is there. While that is less than the
        threshold the next places are read too, up to WIDE_CHUNKS; only so many where the options say how many are to be read."""
        found, confidence = list[Sentence](), 0.0
        step, most = asked.options.read_chunks or READ_CHUNKS, asked.options.read_chunks or WIDE_CHUNKS
        for first in range(0, min(len(places), most), step):
            read = [(place, asked.texts.body(place.chunk)) for place in places[first : min(first + step, most)]]
            found = sorted([*found, *(yield from self.find(asked.bare, read))], key=lambda sentence: sentence.score, reverse=True)
            confidence = found_probability(evidence(asked.bare, found)) if found else 0.0
            if confidence >= threshold:
                break
        return found, confidence


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
        attention=ATTENTION_UNKNOWN if best.place.attention is None else best.place.attention,
    )
