"""The page of a collection, where it is asked, and the page of a question: its answer on the left, the source on the right."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from ingest.skipping import TOOL_FOLDERS
from webapp.accounts.requests import UserRequest
from webapp.ask.choice import choice, unticked, uuid_or_404
from webapp.ask.models import Question
from webapp.ask.selectors import (
    answer_detail,
    citation_list,
    conversation_list,
    evidence,
    followed,
    has_begun,
    opened_document,
    question_detail,
    require_stop,
    suggested_questions,
    turn_list,
    uncited_places,
)
from webapp.ask.services import QuestionRefused, answer_stop, question_ask
from webapp.core.listing import Listing
from webapp.core.rendering import render_page, wants
from webapp.jobs.selectors import document_rows, is_settled
from webapp.library.access import rights
from webapp.library.models import Collection
from webapp.library.selectors import DOCUMENT_ORDERS, collection_counts, collection_detail
from webapp.library.source import source_context


@login_required
@require_GET
def collection(request: UserRequest, collection_id: UUID) -> HttpResponse:
    row = collection_detail(user=request.user, collection_id=collection_id)
    context = _documents(request, row)
    if not wants(request, "documents"):
        context |= {
            "conversations": conversation_list(collection=row),
            "choice": choice(collection=row),
            "suggestions": suggested_questions(collection=row),
            "asked": request.GET.get("q", ""),
            "upload_megabytes": settings.LONGREAD_UPLOAD_BYTES // 10**6,
            "left_out_folders": sorted(TOOL_FOLDERS),
            "git_hosts": settings.LONGREAD_GIT_HOSTS,
            "git_example": "https://{}/…".format(next(iter(settings.LONGREAD_GIT_HOSTS), "")),
        }
    return render_page(request, "ask/collection.html", context, fragments=("documents",))


def _documents(request: UserRequest, row: Collection) -> dict[str, Any]:
    number, listing = request.GET.get("documents", "1"), Listing.of(request.GET)
    page = int(number) if number.isascii() and number.isdigit() else 1
    # Before the rows: what ends between the two is asked for once more, instead of standing there as it was for good.
    settled = is_settled(collection=row)
    found, rows = document_rows(user=request.user, collection=row, page=page, listing=listing)
    return {
        "collection": row,
        "rights": rights(request.user, row),
        "counts": collection_counts(collection=row),
        "evidence": evidence(collection=row),
        "found": found,
        "rows": rows,
        "listing": listing,
        "orders": DOCUMENT_ORDERS,
        "settled": settled,
    }


@login_required
@require_POST
def ask(request: UserRequest, collection_id: UUID) -> HttpResponse:
    """Fields: `text`; `follows`, a question; `alone`, where nothing is to be borrowed of it; and which documents (webapp.ask.choice)."""
    row = collection_detail(user=request.user, collection_id=collection_id)
    follows = request.POST.get("follows", "")
    before = followed(collection=row, question_id=uuid_or_404(follows)) if follows else None
    try:
        question = question_ask(
            collection=row,
            owner=request.user,
            text=request.POST.get("text", ""),
            follows=before,
            by_itself="alone" in request.POST,
            left_out=unticked(request.POST),
        )
    except QuestionRefused as error:
        messages.error(request, str(error))
        return redirect("ask-detail", before.id) if before else redirect("library-collection", row.id)
    return redirect(f"{reverse('ask-detail', args=[question.id])}{'#now' if before else ''}")


@login_required
@require_GET
def question(request: UserRequest, question_id: UUID) -> HttpResponse:
    row = question_detail(user=request.user, question_id=question_id)
    return render_page(request, "ask/question.html", _answered(request, row), fragments=("reading",))


def _answered(request: UserRequest, row: Question) -> dict[str, Any]:
    citations = citation_list(answer=row.answer)
    before, after = turn_list(question=row)
    last = after[-1].question if after else row
    context: dict[str, Any] = {
        "before": before,
        "after": after,
        "last": last,
        "same": len(last.answer.usage.get("named", [])),
        "choice": choice(collection=row.collection, left_out=row.left_out),
        "question": row,
        "collection": row.collection,
        "rights": rights(request.user, row.collection),
        "begun": row.conversation is not None and has_begun(user=request.user, conversation=row.conversation),
        "answer": row.answer,
        "citations": citations,
        "places": uncited_places(answer=row.answer, citations=citations),
        "evidence": evidence(collection=row.collection, answer=row.answer, citations=citations),
        "document": None,
        "view": None,
    }
    if opened := opened_document(user=request.user, citations=citations):
        document, citation = opened
        context |= source_context(document, {"start": str(citation.start_char), "end": str(citation.end_char), "question": str(row.id)})
    return context


@login_required
@require_POST
def stop(request: UserRequest, answer_id: UUID) -> HttpResponse:
    answer = answer_detail(user=request.user, answer_id=answer_id)
    require_stop(user=request.user, question=answer.question)
    answer_stop(answer=answer)
    return redirect("ask-detail", answer.question_id)
