"""The evidence strip: a whole prompt as one thin band, its documents in order, as wide as they have tokens.

Bands and marks are in thousandths of the prompt. Neighbours too thin to be seen are drawn as one. Knows no questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from webapp.library.models import Document

WIDTH = 1000.0
THINNEST = 2.0


@dataclass(frozen=True, slots=True)
class Band:
    """One document, or `count` neighbours together; `id` is None for those."""

    left: float
    width: float
    title: str
    id: UUID | None

    @property
    def key(self) -> str:
        """The document's id as rows of JSON have it; '' for several."""
        return str(self.id) if self.id else ""


@dataclass(frozen=True, slots=True)
class Span:
    left: float
    width: float
    document: Document


@dataclass(frozen=True, slots=True)
class Strip:
    tokens: int
    bands: list[Band]
    spans: dict[str, Span]

    def at(self, document_id: str, page: int | None, line: int | None) -> float | None:
        """Where a page or line of a document stands in the prompt; None where the document is not in it."""
        span = self.spans.get(document_id)
        if span is None:
            return None
        document = span.document
        number, count = (page, document.page_count) if page else (line or 1, document.line_count)
        share = (number - 0.5) / max(1, count)
        return round(span.left + span.width * min(1.0, share), 2)


def strip_of(documents: list[Document]) -> Strip:
    """The strip of documents in the order of their prompt."""
    documents = [document for document in documents if document.token_count]
    tokens = sum(document.token_count for document in documents)
    spans: dict[str, Span] = {}
    left = 0.0
    for document in documents:
        width = WIDTH * document.token_count / tokens
        spans[str(document.id)] = Span(left, width, document)
        left += width
    return Strip(tokens, _bands(list(spans.values())), spans)


def _bands(spans: list[Span]) -> list[Band]:
    bands = []
    together: list[Span] = []
    for span in spans:
        together.append(span)
        if sum(one.width for one in together) >= THINNEST:
            bands.append(_band(together))
            together = []
    return [*bands, _band(together)] if together else bands


def _band(spans: list[Span]) -> Band:
    first, last = spans[0].document, spans[-1].document
    left, width = round(spans[0].left, 2), round(sum(span.width for span in spans), 2)
    if len(spans) == 1:
        return Band(left, width, f"{first.path}: {first.token_count:,} tokens", first.id)
    return Band(left, width, f"{len(spans)} documents, {first.path} to {last.path}", None)
