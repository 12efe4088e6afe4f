"""Reads the answer out of located chunks: first which sentence answers, then which of its words.

A small model that was never trained for this picks the right sentence best by asking how likely the *question* is after it, and picks
the words best where worked examples show what an answer looks like (measured: docs/log.md, 2026-11-21). Both look at one sentence in a
window of its own, so nothing is approximated (design: *joined* reading). `engine.span` admits only tokens that stand in the sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.calibration import sentence_score
from engine.chat_format import Asked
from engine.events import Token
from engine.lexical import terms
from engine.locate import mean_likelihoods
from engine.model.decoder import Decoder
from engine.places import Place
from engine.prefill import ChunkReader
from engine.prompt import TokenArray
from engine.sentences import sentences
from engine.span import Body, SpanState
from engine.steps import Steps, Telling, forward
from engine.tokenizer import Tokenizer

# So many sentences are looked at by the model, those that share most words with the question first.
MOST_SENTENCES = 12
STEM_CHARACTERS = 5
BLANK = re.compile(r"\s")
NUMBER = re.compile(r"^(?:\d+(?:\.\d+)+\.?|\d+\.|\(?[a-zA-Z0-9]{1,4}\))\s+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a located chunk: `start` to `end` in the body's `text`. `overlap`: share of the question's terms in it;
    `likelihood`: how much likelier the question is after it, nats a token. `mass`: log-probability that the answer begins in it and ends
    in it, as a reading head says."""

    place: Place
    text: str
    start: int
    end: int
    overlap: float
    likelihood: float = 0.0
    mass: float = 0.0

    @property
    def words(self) -> str:
        """On one line, with plain blanks and without the number of a clause: what a reader would take for the sentence."""
        return NUMBER.sub("", BLANK.sub(" ", self.text[self.start : self.end]), count=1)

    @property
    def score(self) -> float:
        return sentence_score(self.likelihood, self.overlap, self.place.score)


def rank_sentences(
    reader: ChunkReader,
    tokenizer: Tokenizer,
    places: Sequence[tuple[Place, str]],
    asked: Asked,
    question: str,
    alone: float,
) -> Steps[list[Sentence]]:
    """The sentences of the chunks, each with its body's text, best first. `alone`: the question's mean log-probability after nothing."""
    looked = yield from look_at_sentences(reader, tokenizer, _candidates(places, question), asked, alone)
    return sorted(looked, key=lambda sentence: sentence.score, reverse=True)


def look_at_sentences(
    reader: ChunkReader, tokenizer: Tokenizer, chosen: Sequence[Sentence], asked: Asked, alone: float
) -> Steps[list[Sentence]]:
    """The same sentences with the question put to each."""
    if not chosen:
        return []
    ids = [tokenizer.encode(sentence.words) for sentence in chosen]
    caches = []
    for own in ids:
        caches.append((yield from reader.start(len(own) + len(asked.ids))))
    means = yield from mean_likelihoods(caches, ids, asked)
    return [replace(sentence, likelihood=mean - alone) for sentence, mean in zip(chosen, means, strict=True)]


def _candidates(places: Sequence[tuple[Place, str]], question: str) -> list[Sentence]:
    """By shared words, then by the chunk's own score: where no word is shared, the best chunk's sentences."""
    stems = stems_of(question)
    found = [Sentence(place, text, start, end, overlap(text[start:end], stems)) for place, text in places for start, end in sentences(text)]
    return sorted(found, key=lambda sentence: (sentence.overlap, sentence.place.score), reverse=True)[:MOST_SENTENCES]


def stems_of(question: str) -> set[str]:
    return {term[:STEM_CHARACTERS] for term in terms(question)}


def overlap(text: str, stems: set[str]) -> float:
    """Share of the stems that begin one of the text's words."""
    here = {term[:STEM_CHARACTERS] for term in terms(text)}
    return len(stems & here) / len(stems) if stems else 0.0


class SpanReader:
    """Reads the words of an answer out of one sentence, after worked examples whose state is computed once."""

    def __init__(self, decoder: Decoder, tokenizer: Tokenizer, examples: TokenArray, ends: Sequence[int]) -> None:
        self._decoder, self._tokenizer = decoder, tokenizer
        self._ends = torch.tensor(sorted(set(ends)))
        self._examples = examples
        self._after_examples: KVCache | None = None

    def read(self, sentence: Sentence, asking: TokenArray, max_tokens: int) -> Telling[Token, str]:
        """The answer, and before it its pieces, each as soon as it is decided. `asking` follows the sentence and opens the answer."""
        words = " " + sentence.words
        body = Body.of(self._tokenizer.encode(words), words, self._tokenizer.byte_lengths)
        answer, state = "", SpanState(body)
        cache = yield from self._start(len(body.ids) + len(asking) + max_tokens + 1)
        feed = torch.cat([torch.from_numpy(body.ids), torch.from_numpy(asking)])
        while (token := (yield from self._next(cache, feed, state, max_tokens))) is not None:
            state.take(token)
            text = b"".join(map(self._tokenizer.token_bytes, state.taken)).decode(errors="ignore").lstrip()
            if len(text) > len(answer):
                yield Token(text[len(answer) :])
                answer = text
            feed = torch.tensor([token], dtype=torch.int32)
        return answer

    def _start(self, room: int) -> Steps[KVCache]:
        if self._after_examples is None:
            cache = self._decoder.new_cache(len(self._examples))
            yield from forward(torch.from_numpy(self._examples), cache)
            self._after_examples = cache
        started = self._after_examples.fork()
        started.reserve(room)
        return started

    def _next(self, cache: KVCache, feed: Tensor, state: SpanState, max_tokens: int) -> Steps[int | None]:
        """The likeliest token that the sentence allows, or None where the answer ends."""
        logits = yield from forward(feed, cache, range(len(feed) - 1, len(feed)))
        row = torch.log_softmax(logits[0], dim=-1).cpu()
        allowed = torch.from_numpy(state.allowed()).long()
        if not len(allowed) or (state.may_end() and state.length >= max_tokens):
            return None
        best, which = row[allowed].max(dim=0)
        if state.may_end() and row[self._ends].max() >= best:
            return None
        return int(allowed[which])
