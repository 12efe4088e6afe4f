"""Answers of a model that has a close head too: the best sentences of what was located and read are read once more, after the question.

The head has a say in which of them answers and whether any does, and it says with which words. The rest is as in `engine.head_way`.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.asked import Asked
from engine.close_reading import CloseReader, CloseSentence
from engine.head_way import Chosen, HeadWay, bodies, probability
from engine.index import Indexer
from engine.model.reading_head import CloseHead, ReadingHead
from engine.opening import Model
from engine.prefill import ChunkReader
from engine.reading import ReadPlace
from engine.steps import Steps


class CloseWay(HeadWay):
    """One model's way to answer by its reading head and its close head. For the engine's thread, but for `answer`."""

    def __init__(self, model: Model, reader: ChunkReader, head: ReadingHead, close: CloseHead, indexer: Indexer | None = None) -> None:
        super().__init__(model, reader, head, indexer)
        self._close = CloseReader(close.head, model.tokenizer)
        self._weights = close.weights

    def read_close(self, question: str, read: Sequence[tuple[ReadPlace, str]]) -> Steps[list[CloseSentence]]:
        """The sentences of chunks that were read, each with its body's text, that may hold the answer, best first."""
        close = yield from self._close.read(self._reader, self.sentences(question, read), question)
        return sorted(close, key=lambda each: each.score(self._weights), reverse=True)

    def _chosen(self, asked: Asked, read: Sequence[ReadPlace], threshold: float, most: int) -> Steps[Chosen]:
        ranked = yield from self.read_close(asked.question, bodies(asked, read))
        if not ranked:
            return Chosen(probability(read[0].odds))
        confidence = probability(ranked[0].odds(read[0].odds, self._weights))
        return Chosen(confidence, ranked[0].sentence, ranked[0].words(most)) if confidence >= threshold else Chosen(confidence)
