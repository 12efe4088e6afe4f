"""Which of an answer's quotes it rests on, and which are of other sentences that may answer. Knows rows alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.quote import beside
from webapp.ask.models import Answer, Citation


def supporting(citations: Sequence[Citation], answer: Answer) -> list[Citation]:
    """The quotes that the answer rests on."""
    return [citation for citation, other in _told(citations, answer) if not other]


def others(citations: Sequence[Citation], answer: Answer) -> list[Citation]:
    """The quotes of other sentences that may answer."""
    return [citation for citation, other in _told(citations, answer) if other]


def _told(citations: Sequence[Citation], answer: Answer) -> Iterator[tuple[Citation, bool]]:
    return zip(citations, beside(answer.text, [citation.quote for citation in citations]), strict=True)
