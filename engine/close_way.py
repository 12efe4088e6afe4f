"""Answers of a model that has close layers too: the best sentences of what was located and read are read once more, after the question.

They have a say in whether one answers and in which does, and they say with which words. The rest is as in `engine.head_way`.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.asked import Asked
from engine.close_reading import LONGEST_CHARACTERS, CloseReader, CloseSentence
from engine.head_way import Chosen, HeadWay, bodies, probability
from engine.index import Indexer
from engine.model.close_layers import CloseModel
from engine.model.reading_head import ReadingHead
from engine.opening import Model
from engine.prefill import ChunkReader
from engine.read import Sentence
from engine.reading import ReadPlace
from engine.steps import Steps

CLOSE_SENTENCES = 5
MOST_QUOTES = 3


class CloseWay(HeadWay):
    """One model's way to answer by its reading head and its close layers. For the engine's thread, but for `answer`."""

    # All of a sentence, whose tokens are no more than its characters: an end that fewer tokens allow may stand just before the words that
    # answer ("governed by the laws of the").
    longest = LONGEST_CHARACTERS

    def __init__(self, model: Model, reader: ChunkReader, head: ReadingHead, close: CloseModel, indexer: Indexer | None = None) -> None:
        super().__init__(model, reader, head, indexer)
        self._close = CloseReader(model.decoder, close.layers, model.tokenizer, int(model.chat.prefix[0]))
        self._weights = close.weights

    def read_close(self, question: str, read: Sequence[tuple[ReadPlace, str]]) -> Steps[list[CloseSentence]]:
        """The sentences of chunks that were read, each with its body's text, that may hold the answer, best first."""
        close = yield from self._close.read(self.sentences(question, read)[:CLOSE_SENTENCES], question)
        return sorted(close, key=lambda each: each.score(self._weights), reverse=True)

    def _chosen(self, asked: Asked, read: Sequence[ReadPlace], threshold: float, most: int) -> Steps[Chosen]:
        odds = read[0].odds
        alone = Chosen(probability(odds))
        if alone.confidence < threshold and not self._weights.may_lift(odds):
            return alone
        ranked = yield from self.read_close(asked.bare, bodies(asked, read))
        if not ranked:
            return alone
        confidence = probability(self._weights.found(odds, ranked[0].answers))
        return Chosen(confidence, self._quoted(ranked), ranked[0].words(most)) if confidence >= threshold else Chosen(confidence)

    def _quoted(self, ranked: Sequence[CloseSentence]) -> tuple[Sentence, ...]:
        """The best, and those that are hardly worse: what is asked for often stands in more than one place."""
        enough = ranked[0].score(self._weights) - self._weights.also
        alike = (each.sentence for each in ranked[1:MOST_QUOTES] if each.score(self._weights) > enough)
        return ranked[0].sentence, *alike
