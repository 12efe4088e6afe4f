"""A question with its answer as plain data, for programs: what the API answers and the JSON export holds. From rows only.

Knows neither the engine nor the documents' files: what a row does not hold cannot be exported, and what it holds is not looked up again.
"""

from __future__ import annotations

from typing import Any

from webapp.ask.models import Answer, Citation, Question

TIMINGS = ("parse_s", "prefill_s", "locate_s", "first_token_s", "total_s")


def question_record(question: Question) -> dict[str, Any]:
    """Everything that the rows know of a question, JSON-ready. `answer` has the shape that `./run ask --json` prints."""
    answer = question.answer
    return {
        "id": str(question.id),
        "collection": str(question.collection_id),
        "conversation": str(question.conversation_id) if question.conversation_id else None,
        "follows": str(question.follows_id) if question.follows_id else None,
        "question": question.text,
        "asked_as": question.asked_as,
        "left_out": question.left_out,
        "asked_at": question.created_at.isoformat(),
        "state": answer.state,
        "error": answer.error,
        "prompt_hash": answer.prompt_hash,
        "answer": answer_record(answer),
    }


def answer_record(answer: Answer) -> dict[str, Any]:
    """The shape that `./run ask --json` prints. `parse_s` is 0: here a document is parsed when it is uploaded, not when it is asked."""
    return {
        "answer": answer.text,
        "found": answer.found,
        "confidence": answer.confidence,
        "citations": [_citation_record(citation) for citation in answer.citations.all()],
        "located": [_located_record(place) for place in answer.located],
        "model": answer.model,
        "mode": answer.mode,
        "usage": usage_said(answer),
        "timings": {name: answer.timings.get(name, 0.0) for name in TIMINGS},
    }


def usage_said(answer: Answer) -> dict[str, Any]:
    """Without what the model could not say, and without named documents where the question names none."""
    return {name: value for name, value in answer.usage.items() if value not in (None, [])}


def _citation_record(citation: Citation) -> dict[str, Any]:
    return {
        "number": citation.number,
        "document": citation.document_name,
        "document_id": str(citation.document_id) if citation.document_id else None,
        "path": citation.document_path,
        "page": citation.page,
        "first_line": citation.first_line,
        "last_line": citation.last_line,
        "quote": citation.quote,
        "start_char": citation.start_char,
        "end_char": citation.end_char,
        "verified": citation.verified,
        "reading": citation.reading,
    }


def _located_record(place: dict[str, Any]) -> dict[str, Any]:
    rest = ("path", "page", "first_line", "last_line", "start_char", "end_char", "score", "lexical", "attention", "likelihood", "text")
    return {"document": place.get("name"), "document_id": place.get("document")} | {key: place.get(key) for key in rest}
