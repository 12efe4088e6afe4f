"""Sentences read once more with the question before them: does a sentence answer, and with which of its words.

A chunk is read before anybody asks, so its tokens know nothing of the question. A few sentences are cheap to read again after it, each with
what stands before it in its chunk, and then all their tokens know what is asked. A head of its own says what they are worth
(`engine.model.reading_head`, decision 0024). Knows no events and no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.model.reading_head import CloseWeights, Reading, ReadingHead, Seen, best_span
from engine.prefill import ChunkReader
from engine.prompt import TokenArray
from engine.read import Sentence
from engine.shared_words import SharedWords
from engine.span import Body
from engine.steps import Forward, Steps, forward
from engine.tokenizer import Tokenizer

ASKING, SHOWING = "Question:", "\n\nText:\n"
BEFORE_CHARACTERS = 160  # what a "such notice" or a "he" of the sentence stands for is mostly said just before it
LONGEST_CHARACTERS = 1200


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A sentence with what stands before it: `text` from `start` on in the chunk's body, of whose tokens the first `before` are no part of
    the sentence."""

    body: Body
    start: int
    before: int

    @classmethod
    def of(cls, text: str, start: int, end: int, tokenizer: Tokenizer) -> Window:
        """Around characters `start` to `end` of a chunk's body; of a very long sentence its beginning."""
        end = min(end, start + LONGEST_CHARACTERS)
        first = max(0, start - BEFORE_CHARACTERS)
        while 0 < first < start and not text[first - 1].isspace():
            first += 1
        body = Body.of(tokenizer.encode(text[first:end]), text[first:end], tokenizer.byte_lengths)
        return cls(body, first, int(np.searchsorted(body.offsets[1:], start - first, "right")))

    def words(self, first: int, last: int) -> str:
        """Of the sentence's tokens, from its first one on: on one line, without the mark after which the sentence goes on."""
        start, end = self.body.trimmed(self.before + first, self.before + last + 1)
        return " ".join(self.body.text[start:end].split()).rstrip(",;:")


@dataclass(frozen=True, slots=True)
class Asking:
    """A question as it stands before the windows; `first` and `words`: where its own tokens begin, and how many they are."""

    ids: TokenArray
    first: int
    words: int

    @classmethod
    def of(cls, question: str, tokenizer: Tokenizer) -> Asking:
        before, own, after = (tokenizer.encode(text) for text in (ASKING, f" {question}", SHOWING))
        return cls(np.concatenate([before, own, after]), len(before), len(own))

    @property
    def own(self) -> TokenArray:
        return self.ids[self.first : self.first + self.words]


@dataclass(frozen=True, slots=True, eq=False)
class CloseSentence:
    """A sentence, and what the head made of it."""

    sentence: Sentence
    window: Window
    reading: Reading

    @property
    def answers(self) -> float:
        """Log-odds that it answers, as the head alone says."""
        return float(self.reading.answers)

    @property
    def features(self) -> tuple[float, float, float, float]:
        """What its score counts: CloseWeights.sentence says how much."""
        return self.sentence.overlap, self.sentence.mass, self.sentence.place.odds or 0.0, self.answers

    def score(self, weights: CloseWeights) -> float:
        """Higher is better; comparable between the sentences of one question."""
        return sum(weight * value for weight, value in zip(weights.sentence, self.features, strict=True))

    def odds(self, chunk: float, weights: CloseWeights) -> float:
        """Log-odds that the answer is there, if this is the best sentence and those of the best chunk are `chunk`."""
        return weights.found[0] * chunk + weights.found[1] * self.answers + weights.bias

    def words(self, most: int) -> str:
        """The likeliest answer in it, `most` tokens at most."""
        return words_of(self.reading, self.window, most)


def words_of(reading: Reading, window: Window, most: int) -> str:
    body, before = window.body, window.before
    starts, ends = torch.from_numpy(body.starts[before:-1].copy()), torch.from_numpy(body.ends[before + 1 :].copy())
    first, last, _ = best_span(reading, starts, ends, most)
    return window.words(first, last)


class CloseReader:
    """One model's head for it. For the engine's thread."""

    def __init__(self, head: ReadingHead, tokenizer: Tokenizer) -> None:
        self._head, self._tokenizer, self._shared = head, tokenizer, SharedWords(tokenizer)

    def read(self, reader: ChunkReader, sentences: Sequence[Sentence], question: str) -> Steps[list[CloseSentence]]:
        """All of them, in their order, read together after the question."""
        if not sentences:
            return []
        asking = Asking.of(question, self._tokenizer)
        windows = [Window.of(each.text, each.start, each.end, self._tokenizer) for each in sentences]
        asked = yield from reader.start(len(asking.ids))
        yield from forward(torch.from_numpy(asking.ids), asked)
        caches = []
        for window in windows:
            cache = asked.fork()
            cache.reserve(len(window.body.ids))
            caches.append(cache)
        yield tuple(Forward(torch.from_numpy(window.body.ids), cache) for window, cache in zip(windows, caches, strict=True))
        return [
            CloseSentence(sentence, window, self._reading(asking, window, cache))
            for sentence, window, cache in zip(sentences, windows, caches, strict=True)
        ]

    @torch.inference_mode()
    def _reading(self, asking: Asking, window: Window, cache: KVCache) -> Reading:
        ids = window.body.ids
        values: Tensor = cache.values(self._head.shape.layers, cache.length - len(ids) - len(asking.ids) + asking.first)
        question, own = values[: len(asking.ids) - asking.first], values[len(asking.ids) - asking.first :]
        shared = torch.from_numpy(self._shared.marked(ids, asking.own))
        reading: Reading = self._head(Seen(own, question, shared.to(values.device), window.before, asking.words))
        return reading
