"""A question with its answer as a file to keep: JSON for programs, Markdown for people. From rows only.

Knows neither the engine nor the documents' files: what a row does not hold cannot be exported, and what it holds is not looked up again.
Quotes stand verbatim; in Markdown inside a code fence that is longer than any run of backticks in them, so that none can end it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from webapp.accounts.requests import UserRequest
from webapp.ask.models import Answer, Citation, Question
from webapp.ask.selectors import question_detail

MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&=:@])")
TIMINGS = ("parse_s", "prefill_s", "locate_s", "first_token_s", "total_s")


@login_required
@require_GET
def question_export(request: UserRequest, question_id: UUID, form: str) -> HttpResponse:
    """The question as an attachment; `form` is "json" or "md". 404 for whoever may not see it."""
    if form not in FORMS:
        raise Http404
    return export_response(question_detail(user=request.user, question_id=question_id), form)


def export_response(question: Question, form: str) -> HttpResponse:
    """The file in that form, named after the question."""
    content_type, write = FORMS[form]
    name = slugify(question.text)[:60].strip("-") or "question"
    response = HttpResponse(write(question), content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return response


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


def usage_said(answer: Answer) -> dict[str, int]:
    """Without what the model could not say."""
    return {name: value for name, value in answer.usage.items() if value is not None}


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
    }


def _located_record(place: dict[str, Any]) -> dict[str, Any]:
    rest = ("path", "page", "first_line", "last_line", "start_char", "end_char", "score", "lexical", "attention", "likelihood", "text")
    return {"document": place.get("name"), "document_id": place.get("document")} | {key: place.get(key) for key in rest}


def question_json(question: Question) -> str:
    return json.dumps(question_record(question), ensure_ascii=False, indent=2) + "\n"


def question_markdown(question: Question) -> str:
    """A page that reads the same in any Markdown viewer, whatever the documents say."""
    answer = question.answer
    blocks = [f"# {escaped(question.text)}", _answer_block(answer)]
    citations = list(answer.citations.all())
    if citations:
        blocks.append("## Citations")
        blocks += [block for citation in citations for block in _citation_blocks(citation)]
    blocks += ["## How it was answered", "\n".join(_facts(question))]
    return "\n\n".join(blocks) + "\n"


def _answer_block(answer: Answer) -> str:
    if answer.error:
        return f"No answer: {escaped(answer.error)}"
    if not answer.found:
        return "Not found in these documents." if answer.has_ended else "Not answered yet."
    return "\n".join(f"> {escaped(line)}" for line in answer.text.splitlines())


def _citation_blocks(citation: Citation) -> Iterator[str]:
    verified = "verified: it stands so in the document" if citation.verified else "unverified: it was not found in the document"
    yield f"{citation.number}\\. {escaped(citation.document_path)}, {_place(citation)} ({verified})"
    yield fenced(citation.quote)


def _place(citation: Citation) -> str:
    if citation.page is not None:
        return f"page {citation.page}"
    if citation.first_line is not None and citation.last_line not in (None, citation.first_line):
        return f"lines {citation.first_line} to {citation.last_line}"
    return f"line {citation.first_line}" if citation.first_line is not None else f"character {citation.start_char}"


def _facts(question: Question) -> Iterator[str]:
    answer = question.answer
    yield f"- Asked: {question.created_at:%Y-%m-%d %H:%M:%S %Z}"
    yield f"- Answer: {answer.get_state_display()}, confidence {answer.confidence:.2f}"
    yield f"- Model: {escaped(answer.model) or 'none'}, mode: {escaped(answer.mode) or 'none'}"
    yield f"- Prompt hash: {escaped(answer.prompt_hash) or 'none'}"
    for name, value in sorted(usage_said(answer).items()):
        yield f"- {escaped(name)}: {value:,}"
    for name, value in sorted(answer.timings.items()):
        yield f"- {escaped(name)}: {value:.3f}"


def escaped(text: str) -> str:
    """Text on one line that means nothing to Markdown or HTML."""
    return MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))


def fenced(text: str) -> str:
    """Text as a code block, byte for byte. Its fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


FORMS = {
    "json": ("application/json", question_json),
    "md": ("text/markdown; charset=utf-8", question_markdown),
}
