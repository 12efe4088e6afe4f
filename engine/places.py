"""Located chunks: found by the question's words, with their scores and their texts. Knows no model. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.calibration import place_score
from engine.events import Located
from engine.lexical import LexicalHit, LexicalIndex
from engine.prompt import Chunk, Prompt


@dataclass(frozen=True, slots=True)
class Place:
    """A located chunk and its scores; `likelihood` is None for one that the model did not look at."""

    chunk: Chunk
    lexical: float
    likelihood: float | None

    @property
    def score(self) -> float:
        return place_score(self.lexical, self.likelihood)


def candidates(prompt: Prompt, question: str, limit: int) -> list[LexicalHit]:
    """The best chunks of the prompt by words alone, best first."""
    hits = LexicalIndex(prompt.lexical_path).search(question, [document.id for document in prompt.documents], limit)
    lengths = {document.id: len(document) for document in prompt.documents}
    return [hit for hit in hits if hit.chunk < lengths[hit.document]]


def by_words(prompt: Prompt, hits: Sequence[LexicalHit]) -> list[Place]:
    """The hits as places that the model did not look at."""
    return [Place(prompt.document(hit.document).chunk(hit.chunk), hit.score, None) for hit in hits]


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
        return Located(chunk.document, chunk.index, chunk.start_char, chunk.end_char, text, place.score, place.lexical, place.likelihood)
