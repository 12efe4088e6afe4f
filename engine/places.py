"""Located chunks: found by the question's words and by the scan, with their scores and their texts. Knows no model. Imports no torch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.calibration import ATTENTION_UNKNOWN, place_score
from engine.events import Located
from engine.lexical import LexicalHit, LexicalIndex
from engine.prompt import Chunk, Prompt

# A chunk that was read comes before all that were not, whatever their odds.
READ = 100.0


@dataclass(frozen=True, slots=True)
class Place:
    """A located chunk and its scores; `likelihood` is None for one that the model did not look at, `attention` for one that is not
    indexed: `assumed` stands in for it beside places that are. `odds`: log-odds that it answers, of one that a reading head read."""

    chunk: Chunk
    lexical: float
    likelihood: float | None
    attention: float | None = None
    assumed: float = ATTENTION_UNKNOWN
    odds: float | None = None

    @property
    def score(self) -> float:
        if self.odds is not None:
            return READ + self.odds
        return place_score(self.lexical, self.likelihood, self.assumed if self.attention is None else self.attention)


def candidates(prompt: Prompt, question: str, limit: int) -> list[LexicalHit]:
    """The best chunks of the prompt by words alone, best first."""
    hits = LexicalIndex(prompt.lexical_path).search(question, [document.id for document in prompt.documents], limit)
    lengths = {document.id: len(document) for document in prompt.documents}
    return [hit for hit in hits if hit.chunk < lengths[hit.document]]


def by_words(prompt: Prompt, hits: Sequence[LexicalHit]) -> list[Place]:
    """The hits as places that the model did not look at."""
    return [Place(prompt.document(hit.document).chunk(hit.chunk), hit.score, None) for hit in hits]


def fused(prompt: Prompt, hits: Sequence[LexicalHit], attention: NDArray[np.float32], limit: int) -> list[Place]:
    """The best chunks by their words and the scan together, best first. `attention` is the scan's of every chunk, in the prompt's order,
    NaN for one that is not indexed: such a one takes part by its words, as if the scan had said of it what it says as a rule of those
    that share words with this question. What that is differs more between questions than between chunks."""
    firsts, count = {}, 0
    for document in prompt.documents:
        firsts[document.id], count = count, count + len(document)
    lexical = {firsts[hit.document] + hit.chunk: hit.score for hit in hits}
    numbers = {*lexical, *best_scores(attention, limit)}
    assumed = usual(attention[list(lexical)], attention)
    order = list(firsts.items())
    starts = [first for _, first in order]

    def place(number: int) -> Place:
        document, first = order[bisect_right(starts, number) - 1]
        seen = None if np.isnan(attention[number]) else float(attention[number])
        return Place(prompt.document(document).chunk(number - first), lexical.get(number, 0.0), None, seen, assumed)

    def score(number: int) -> float:
        seen = float(attention[number])
        return place_score(lexical.get(number, 0.0), None, assumed if np.isnan(seen) else seen)

    return [place(number) for number in sorted(numbers, key=lambda number: (-score(number), number))[:limit]]


def usual(*sets: NDArray[np.float32]) -> float:
    """The median of the first of these sets of scores in which any is known (not NaN)."""
    for scores in sets:
        if not np.isnan(scores).all():
            return float(np.nanmedian(scores))
    return ATTENTION_UNKNOWN


def best_scores(scores: NDArray[np.float32], most: int) -> list[int]:
    """The numbers of the best scores; those that are NaN are left out."""
    there = np.flatnonzero(~np.isnan(scores))
    if len(there) > most:
        there = there[np.argpartition(-scores[there], most - 1)[:most]]
    best: list[int] = there.tolist()
    return best


@dataclass(slots=True)
class Texts:
    """The documents' texts, each read once an answer and only if needed."""

    prompt: Prompt
    _kept: dict[str, str] = field(default_factory=dict)

    def of(self, document: str) -> str:
        if document not in self._kept:
            self._kept[document] = self.prompt.document(document).text()
        return self._kept[document]

    def body(self, chunk: Chunk) -> str:
        """The characters of the source that the chunk's body stands for."""
        return self.of(chunk.document)[chunk.start_char : chunk.end_char]

    def located(self, place: Place) -> Located:
        chunk = place.chunk
        text = self.body(chunk)
        scores = place.score, place.lexical, place.likelihood, place.attention
        return Located(chunk.document, chunk.index, chunk.start_char, chunk.end_char, text, *scores)
