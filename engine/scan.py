"""The attention scan: every token of a question against one stored vector of every token of a prompt, exactly.

A chunk's score is the weighted mean, over the question's tokens, of the best cosine among the chunk's (MaxSim, arXiv:2004.12832). Records
come one after another, as views of wherever they lie, and go into a block; a block is one product and one maximum a chunk, so memory is
the same however many there are. Knows no store, no model and no text.
Legend: Q tokens of a question, N chunks, W width of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.model.linear import cpu_has_int8
from engine.model.scan_head import ONE, Queries

# 2 MB of records of 128 bytes: they are still in the processor's cache when they are multiplied.
BLOCK_TOKENS = 16384

Scores = NDArray[np.float32]
View = Callable[[bytes], memoryview | None]


def scan(questions: Sequence[Queries], keys: Sequence[bytes], view: View) -> Scores:
    """fp32 [questions, N]: how well each chunk's record, int8 [tokens, W] at `view(key)`, answers each question of at least one token.

    -1..1, higher is better; NaN where there is no record. A view has to stay valid until the next one is asked for.
    """
    scanning = Scan(questions, len(keys))
    for number, key in enumerate(keys):
        scanning.put(number, view(key))
    return scanning.scores()


class Scan:
    """One scan of N chunks while it goes on. Records lie side by side in a block until it is full."""

    def __init__(self, questions: Sequence[Queries], chunks: int) -> None:
        """`questions`: at least one, each of at least one token."""
        vectors = torch.cat([question.vectors for question in questions])
        self._width, self._product = vectors.shape[1], _product(vectors)
        self._firsts = np.cumsum([0, *(len(question.vectors) for question in questions[:-1])])
        self._weights = torch.cat([question.weights for question in questions])[:, None].numpy() / ONE**2
        self._scores: Scores = np.full((len(questions), chunks), np.nan, dtype=np.float32)
        self._room, self._tokens = _allocate(BLOCK_TOKENS * self._width)
        self._chunks: list[int] = []
        self._starts: list[int] = []
        self._end = 0

    def put(self, chunk: int, record: memoryview | None) -> None:
        """The record of the chunk of that number, None if it has none; it is copied."""
        if record is None or not len(record):
            return
        if self._end + len(record) > len(self._room):
            self._score()
        if len(record) > len(self._room):
            self._room, self._tokens = _allocate(len(record))
        end = self._end + len(record)
        self._room[self._end : end] = record
        self._chunks.append(chunk)
        self._starts.append(self._end // self._width)
        self._end = end

    def scores(self) -> Scores:
        """fp32 [questions, N], once all records are in."""
        self._score()
        return self._scores

    def _score(self) -> None:
        """Write down the scores of the records in the block, and empty it."""
        if not self._end:
            return
        best = np.maximum.reduceat(self._product(self._tokens[: self._end].view(-1, self._width)), self._starts, axis=1)
        self._scores[:, self._chunks] = np.add.reduceat(best * self._weights, self._firsts, axis=0)
        self._chunks.clear()
        self._starts.clear()
        self._end = 0


def _allocate(size: int) -> tuple[memoryview, Tensor]:
    """The same bytes twice: to be written to, and to be multiplied."""
    room = bytearray(size)
    return memoryview(room), torch.frombuffer(room, dtype=torch.int8)


def _product(queries: Tensor) -> Callable[[Tensor], NDArray[np.float32] | NDArray[np.int32]]:
    """Products [Q, tokens] of the queries [Q, W] with int8 tokens [tokens, W]: whole numbers, whichever way they are computed."""
    if cpu_has_int8():
        return lambda tokens: torch._int_mm(queries, tokens.t()).numpy()
    wide = queries.float()  # sums stay below 2^24, which fp32 holds exactly
    return lambda tokens: (wide @ tokens.float().t()).numpy()
