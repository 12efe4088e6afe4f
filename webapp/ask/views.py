"""The page of a collection, where it is asked, and the page of a question: its answer on the left, the source on the right."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.requests import UserRequest
from webapp.ask.models import Question
from webapp.ask.selectors import (
    answer_detail,
    citation_list,
    evidence,
    opened_document,
    question_detail,
    question_list,
    require_stop,
    suggested_questions,
    uncited_places,
)
from webapp.ask.services import QuestionRefused, answer_stop, question_ask
from webapp.core.rendering import render_page, wants
from webapp.jobs.selectors import document_rows, is_settled
from webapp.library.access import rights
from webapp.library.models import Collection
from webapp.library.selectors import collection_counts, collection_detail
from webapp.library.source import source_context


@login_required
@require_GET
def collection(request: UserRequest, collection_id: UUID) -> HttpResponse:
    row = collection_detail(user=request.user, collection_id=collection_id)
    context = _documents(request, row)
    if not wants(request, "documents"):
        context |= {
            "questions": question_list(collection=row),
            "suggestions": suggested_questions(collection=row),
            "asked": request.GET.get("q", ""),
            "upload_megabytes": settings.LONGREAD_UPLOAD_BYTES // 10**6,
        }
    return render_page(request, "ask/collection.html", context, fragments=("documents",))


def _documents(request: UserRequest, row: Collection) -> dict[str, Any]:
    number = request.GET.get("documents", "1")
    found, rows = document_rows(collection=row, page=int(number) if number.isascii() and number.isdigit() else 1)
    return {
        "collection": row,
        "rights": rights(request.user, row),
        "counts": collection_counts(collection=row),
        "evidence": evidence(collection=row),
        "found": found,
        "rows": rows,
        "settled": is_settled(collection=row),
    }


@login_required
@require_POST
def ask(request: UserRequest, collection_id: UUID) -> HttpResponse:
    row = collection_detail(user=request.user, collection_id=collection_id)
    try:
        question = question_ask(collection=row, owner=request.user, text=request.POST.get("text", ""))
    except QuestionRefused as error:
        messages.error(request, str(error))
        return redirect("library-collection", row.id)
    return redirect("ask-detail", question.id)


@login_required
@require_GET
def question(request: UserRequest, question_id: UUID) -> HttpResponse:
    row = question_detail(user=request.user, question_id=question_id)
    return render_page(request, "ask/question.html", _answered(request, row), fragments=("reading",))


def _answered(request: UserRequest, row: Question) -> dict[str, Any]:
    citations = citation_list(answer=row.answer)
    context: dict[str, Any] = {
        "question": row,
        "collection": row.collection,
        "rights": rights(request.user, row.collection),
        "answer": row.answer,
        "citations": citations,
        "places": uncited_places(answer=row.answer, citations=citations),
        "evidence": evidence(collection=row.collection, answer=row.answer, citations=citations),
        "document": None,
        "view": None,
    }
    if opened := opened_document(user=request.user, citations=citations):
        document, citation = opened
        context |= source_context(document, {"start": str(citation.start_char), "end": str(citation.end_char)})
    return context


@login_required
@require_POST
def stop(request: UserRequest, answer_id: UUID) -> HttpResponse:
    answer = answer_detail(user=request.user, answer_id=answer_id)
    require_stop(user=request.user, question=answer.question)
    answer_stop(answer=answer)
    return redirect("ask-detail", answer.question_id)
