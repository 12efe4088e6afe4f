"""The attention scan: every token of a question against one stored vector of every token of a prompt, exactly.

A chunk's score is the weighted mean, over the question's tokens, of the best cosine among the chunk's (MaxSim, arXiv:2004.12832). Records
come one after another, as views of wherever they lie, and go into a block; a block is one product and one maximum a chunk, so memory is
the same however many there are. Knows no store, no model and no text.
Legend: Q tokens of a question, N chunks, W width of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

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
    scores = np.full((len(questions), len(keys)), np.nan, dtype=np.float32)
    if not questions:
        return scores
    block = _Block(questions)
    for number, key in enumerate(keys):
        record = view(key)
        if record is None or not len(record):
            continue
        if not block.has_room(len(record)):
            block.score(scores)
        block.put(number, record)
    block.score(scores)
    return scores


class _Block:
    """Records side by side, and the chunks that they are of."""

    def __init__(self, questions: Sequence[Queries]) -> None:
        vectors = torch.cat([question.vectors for question in questions])
        self._width, self._product = vectors.shape[1], _product(vectors)
        self._firsts = np.cumsum([0, *(len(question.vectors) for question in questions[:-1])])
        self._weights = torch.cat([question.weights for question in questions])[:, None].numpy() / ONE**2
        self._rooms = self._allocate(BLOCK_TOKENS * self._width)
        self._chunks: list[int] = []
        self._starts: list[int] = []
        self._end = 0

    def has_room(self, size: int) -> bool:
        return self._end + size <= len(self._rooms[0]) or not self._end

    def put(self, chunk: int, record: memoryview) -> None:
        room, end = self._rooms[0], self._end + len(record)
        if end > len(room):  # it alone is longer than a block
            self._rooms = self._allocate(end)
            room = self._rooms[0]
        room[self._end : end] = record
        self._chunks.append(chunk)
        self._starts.append(self._end)
        self._end = end

    def score(self, scores: Scores) -> None:
        """Write the scores of the records at hand, and begin anew."""
        if not self._end:
            return
        tokens = self._rooms[1][: self._end].view(-1, self._width)
        starts = np.array(self._starts, dtype=np.intp) // self._width
        best = np.maximum.reduceat(self._product(tokens), starts, axis=1)
        scores[:, self._chunks] = np.add.reduceat(best * self._weights, self._firsts, axis=0)
        self._chunks.clear()
        self._starts.clear()
        self._end = 0

    def _allocate(self, size: int) -> tuple[memoryview, Tensor]:
        """The same bytes twice: to be written to, and to be multiplied."""
        room = bytearray(size)
        return memoryview(room), torch.frombuffer(room, dtype=torch.int8)


def _product(queries: Tensor) -> Callable[[Tensor], NDArray[np.float32] | NDArray[np.int32]]:
    """Products [Q, tokens] of the queries [Q, W] with int8 tokens [tokens, W]: whole numbers, whichever way they are computed."""
    if cpu_has_int8():
        return lambda tokens: torch._int_mm(queries, tokens.t()).numpy()
    wide = queries.float()  # sums stay below 2^24, which fp32 holds exactly
    return lambda tokens: (wide @ tokens.float().t()).numpy()


def best_first(scores: Iterable[float], most: int) -> list[int]:
    """The numbers of the best scores, best first; those without one are left out."""
    values = np.fromiter(scores, dtype=np.float32)
    there = np.flatnonzero(~np.isnan(values))
    if len(there) > most:
        there = there[np.argpartition(-values[there], most - 1)[:most]]
    chosen: list[int] = there[np.argsort(-values[there], kind="stable")].tolist()
    return chosen
