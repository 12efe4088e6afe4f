"""Files to take home, for whoever may see what is in them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from webapp.accounts.requests import UserRequest
from webapp.ask.selectors import question_detail
from webapp.checklist.selectors import sweep_detail
from webapp.export.answers import taken_conversation, taken_question
from webapp.export.blocks import ExportRefused
from webapp.export.forms import FORMS, Taken, file_response
from webapp.export.sweeps import taken_sweep


@login_required
@require_GET
def question(request: UserRequest, question_id: UUID, form: str) -> HttpResponseBase:
    row = question_detail(user=request.user, question_id=question_id)
    return _file(request, taken_question(row), form) or redirect("ask-detail", row.id)


@login_required
@require_GET
def conversation(request: UserRequest, question_id: UUID, form: str) -> HttpResponseBase:
    """The whole conversation that the question is part of."""
    row = question_detail(user=request.user, question_id=question_id)
    return _file(request, taken_conversation(row), form) or redirect("ask-detail", row.id)


@login_required
@require_GET
def sweep(request: UserRequest, sweep_id: UUID, form: str) -> HttpResponseBase:
    row = sweep_detail(user=request.user, sweep_id=sweep_id)
    return _file(request, taken_sweep(row), form) or redirect("checklist-detail", row.id)


def _file(request: UserRequest, taken: Taken, form: str) -> HttpResponseBase | None:
    """`pages=1` asks for the cited pages too. None where it is refused, with a message that says why."""
    if form not in FORMS:
        raise Http404
    try:
        return file_response(taken, form, pages=request.GET.get("pages") == "1")
    except ExportRefused as error:
        messages.error(request, str(error))
        return None
