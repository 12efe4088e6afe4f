"""Answers of a model that has a reading head: locate -> read -> quote, with words of the prompt and calibrated odds.

The chunks that words and scan find are looked at by the model, and what it made of them the head reads (`engine.reading`): the odds put
them in order, say whether anything was found, and the best chunk's span is the answer. The rest is as in `engine.spans`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.asked import Asked
from engine.calibration import FOUND_THRESHOLD, LOOK_CHUNKS, LOOK_FIRST, READ_CHUNKS, SPAN_TOKENS, SURE
from engine.chat_format import Asked as Put
from engine.events import AnswerEvent, Done, Token, Usage
from engine.index import Indexer
from engine.lexical import LexicalHit, terms
from engine.locate import NOTHING, Found, mean_likelihoods
from engine.model.reading_head import ReadingHead
from engine.opening import Model
from engine.places import Place
from engine.prefill import ChunkReader
from engine.prompt import Prompt
from engine.read import Sentence, look_at_sentences
from engine.reading import HeadReader, ReadPlace
from engine.runs import Spent
from engine.spans import SpanWay, quoted
from engine.steps import Steps, Telling

# So many sentences are looked at by the model, the best by what is known before.
MOST_SENTENCES = 6
NO_SENTENCES: tuple[tuple[Sentence, ...], str] = (), ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Sentences that answer, best first, and the words of the best that do; none where nothing was found. `confidence`: how likely the
    answer is there."""

    confidence: float
    sentences: tuple[Sentence, ...] = ()
    words: str = ""


class HeadWay(SpanWay):
    """One model's way to answer by its reading head. For the engine's thread, but for `answer`. `longest`: tokens of an answer at most."""

    longest = SPAN_TOKENS

    def __init__(self, model: Model, reader: ChunkReader, head: ReadingHead, indexer: Indexer | None = None) -> None:
        super().__init__(model, reader, indexer)
        self._head = HeadReader(head, model.tokenizer)

    def look(self, prompt: Prompt, hits: Sequence[LexicalHit], question: str, spent: Spent, limit: int) -> Steps[Found]:
        """The chunks found by words and by the scan, the best of them read and put in order."""
        found, _ = yield from self.read_places(prompt, hits, question, spent, limit)
        return found

    def read_places(
        self, prompt: Prompt, hits: Sequence[LexicalHit], question: str, spent: Spent, limit: int, most: int | None = None
    ) -> Steps[tuple[Found, list[ReadPlace]]]:
        """What `look` says, and what the head made of the first places, best first: of so many as `most` says; else of LOOK_FIRST, and of
        those up to LOOK_CHUNKS where none of the first surely answers."""
        if not terms(question) or not prompt.chunks:
            return Found([]), []
        put = self._chat.ask(question)
        found = yield from self.locate(prompt, hits, put, limit)
        read: list[ReadPlace] = []
        for end in (LOOK_FIRST, LOOK_CHUNKS) if most is None else (most,):
            if not read or read[0].odds < SURE:
                read += yield from self._put(prompt, found.places[len(read) : end], put, spent)
                read.sort(key=lambda each: each.odds, reverse=True)
        return replace(found, places=[each.place for each in read] + found.places[len(read) :]), read

    def _put(self, prompt: Prompt, places: Sequence[Place], put: Put, spent: Spent) -> Steps[list[ReadPlace]]:
        """Every place with the question put to it. `spent` grows by what it took to read chunks that were not stored."""
        if not places:
            return []
        caches = []
        with self._reader.pinned([place.chunk for place in places], prompt.salt):
            for place in places:
                caches.append((yield from self._reader.open(place.chunk, prompt.salt, len(put.ids), spent)))
        # To nothing too, in the same pass: what it is likelier after a chunk than after nothing is what counts.
        nothing = yield from self._reader.start(len(put.ids))
        *means, alone = yield from mean_likelihoods([*caches, nothing], [NOTHING] * (len(caches) + 1), put, opened=True)
        read = []
        for place, cache, mean in zip(places, caches, means, strict=True):
            read.append(self._head.read(replace(place, likelihood=mean - alone), cache, put))
            yield ()  # others have a turn
        return read

    def sentences(self, question: str, read: Sequence[tuple[ReadPlace, str]]) -> list[Sentence]:
        """Those of chunks that were read, each with its body's text, that may hold the answer, best first by what is known so far."""
        found = [sentence for each, text in read for sentence in self._head.sentences(each, text, question)]
        return sorted(found, key=self._head.score, reverse=True)[:MOST_SENTENCES]

    def ranked(self, question: str, read: Sequence[tuple[ReadPlace, str]]) -> Steps[list[Sentence]]:
        """The same, each looked at by the model."""
        chosen = self.sentences(question, read)
        looked = yield from look_at_sentences(self._reader, self._tokenizer, chosen, self._chat.ask(question), 0.0)
        return sorted(looked, key=self._head.score, reverse=True)

    def _chosen(self, asked: Asked, read: Sequence[ReadPlace], threshold: float, most: int) -> Steps[Chosen]:
        """What is answered out of chunks that were read, best first; nothing below the threshold."""
        confidence = probability(read[0].odds)
        sentences, words = (yield from self._best(asked.bare, bodies(asked, read), most)) if confidence >= threshold else NO_SENTENCES
        return Chosen(confidence, sentences, words)

    def _best(self, question: str, read: Sequence[tuple[ReadPlace, str]], most: int) -> Steps[tuple[tuple[Sentence, ...], str]]:
        """The sentences that answer, of chunks that were read, each with its body's text, and the words of the best that do."""
        ranked = yield from self.ranked(question, read)
        if not ranked:
            return NO_SENTENCES
        of = next(each for each, _ in read if each.place is ranked[0].place)
        return (ranked[0],), self._head.answer(of, ranked[0], most)

    def _answer(self, asked: Asked, hits: Sequence[LexicalHit], limit: int) -> Telling[AnswerEvent, None]:
        prompt, options, texts, spent = asked.prompt, asked.options, asked.texts, Spent()
        located, read = yield from self.read_places(prompt, hits, asked.bare, spent, limit, options.read_chunks)
        asked.clock.located()
        for place in located.places:
            yield texts.located(place)
        threshold = FOUND_THRESHOLD if options.threshold is None else options.threshold
        chosen = Chosen(0.0)
        if read:
            chosen = yield from self._chosen(asked, read, threshold, options.max_tokens or self.longest)
        if chosen.sentences:
            asked.clock.token()
            yield Token(chosen.words)
        for sentence in chosen.sentences:
            yield quoted(sentence, texts)
        read_tokens = sum(len(each.place.chunk.ids) for each in read)
        usage = Usage(
            prompt.tokens, prompt.chunks, read_tokens, len(read), located.indexed_tokens, located.indexed_chunks, asked.named.documents
        )
        timings = asked.clock.timings(spent.seconds)
        yield Done(chosen.words, bool(chosen.words), chosen.confidence, usage, timings, self._name, self.mode)


def bodies(asked: Asked, read: Sequence[ReadPlace]) -> list[tuple[ReadPlace, str]]:
    """The chunks in which sentences are looked for, with their bodies' texts."""
    return [(each, asked.texts.body(each.place.chunk)) for each in read[:READ_CHUNKS]]


def probability(odds: float) -> float:
    """0..1 of log-odds."""
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))
