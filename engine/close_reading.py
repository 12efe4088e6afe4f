"""Sentences read once more with the question before them: does a sentence answer, and with which of its words.

A chunk is read before anybody asks, so its tokens know nothing of the question. A few sentences are cheap to read again after it, all on
one sheet, each with what stands before it in its chunk: by the model's lower layers as they are, then by its close layers
(`engine.model.close_layers`, decision 0024). Knows no events and no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.model.close_layers import CloseLayers, CloseReading, CloseWeights
from engine.model.decoder import Decoder
from engine.model.reading_head import best_pair
from engine.prompt import TokenArray
from engine.read import Sentence
from engine.span import Body
from engine.steps import Steps, inputs_of
from engine.tokenizer import Tokenizer

ASKING, SHOWING, NEXT = "Question:", "\n\nText:", "\n\n"
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


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A question and windows as they stand together; `sentences`: first token and the one behind the last of each window's sentence."""

    ids: TokenArray
    sentences: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, question: str, windows: Sequence[Window], tokenizer: Tokenizer, opening: int) -> Sheet:
        """`opening`: the token that all of the model's texts begin with."""
        between = tokenizer.encode(NEXT)
        parts = [np.array([opening], np.int32), *(tokenizer.encode(text) for text in (ASKING, f" {question}", SHOWING))]
        at, sentences = sum(map(len, parts)), []
        for window in windows:
            parts += [between, window.body.ids]
            at += len(between) + len(window.body.ids)
            sentences.append((at - len(window.body.ids) + window.before, at))
        return cls(np.concatenate(parts), tuple(sentences))


@dataclass(frozen=True, slots=True, eq=False)
class CloseSentence:
    """A sentence, and what the close layers made of it."""

    sentence: Sentence
    window: Window
    reading: CloseReading

    @property
    def answers(self) -> float:
        """Log-odds that it answers, as the close layers alone say."""
        return float(self.reading.answers)

    @property
    def features(self) -> tuple[float, float, float, float]:
        """What its score counts, in the order of CloseWeights."""
        return self.sentence.overlap, self.sentence.mass, self.sentence.place.odds or 0.0, self.answers

    def score(self, weights: CloseWeights) -> float:
        """Higher is better; comparable between the sentences of one question."""
        return weights.score(*self.features)

    def words(self, most: int) -> str:
        """The likeliest answer in it, `most` tokens at most."""
        return words_of(self.reading, self.window, most)


def words_of(reading: CloseReading, window: Window, most: int) -> str:
    body, before = window.body, window.before
    starts, ends = torch.from_numpy(body.starts[before:-1].copy()), torch.from_numpy(body.ends[before + 1 :].copy())
    first, last, _ = best_pair(reading.spans, starts, ends, most)
    return window.words(first, last)


class CloseReader:
    """One model's close layers at work. For the engine's thread."""

    def __init__(self, decoder: Decoder, layers: CloseLayers, tokenizer: Tokenizer, opening: int) -> None:
        self._decoder, self._layers, self._tokenizer, self._opening = decoder, layers, tokenizer, opening

    def read(self, sentences: Sequence[Sentence], question: str) -> Steps[list[CloseSentence]]:
        """All of them on one sheet, in their order."""
        if not sentences:
            return []
        windows = [Window.of(each.text, each.start, each.end, self._tokenizer) for each in sentences]
        sheet, below = Sheet.of(question, windows, self._tokenizer, self._opening), self._layers.shape.first
        cache = self._decoder.new_cache(len(sheet.ids), below=below)
        hidden = yield from inputs_of((below,), torch.from_numpy(sheet.ids), cache, range(len(sheet.ids)), normed=False)
        readings = self._layers(hidden, sheet.sentences)
        yield ()  # others have a turn
        return [CloseSentence(*each) for each in zip(sentences, windows, (reading_on_cpu(r) for r in readings), strict=True)]


def reading_on_cpu(reading: CloseReading) -> CloseReading:
    return CloseReading(*(part.cpu() for part in reading))
