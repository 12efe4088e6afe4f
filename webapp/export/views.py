"""Files to take home, for whoever may see what is in them: at once, or where that takes long, made by a worker and fetched here."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.requests import UserRequest
from webapp.ask.selectors import question_detail
from webapp.checklist.selectors import sweep_detail
from webapp.core.downloads import attachment
from webapp.core.rendering import render_page
from webapp.export.answers import taken_conversation, taken_question, taken_questions
from webapp.export.blocks import ExportRefused
from webapp.export.forms import FORMS
from webapp.export.models import Source
from webapp.export.selectors import export_detail, export_list
from webapp.export.services import Wanted, export_delete, export_make
from webapp.export.sweeps import taken_sweep
from webapp.jobs.models import ENDED
from webapp.jobs.selectors import job_progress

SHOWN = 50


@login_required
@require_GET
def question(request: UserRequest, question_id: UUID, form: str) -> HttpResponseBase:
    row = question_detail(user=request.user, question_id=question_id)
    wanted = Wanted(Source.QUESTION, row.id, row.collection, taken_question(row))
    return _file(request, wanted, form) or redirect("ask-detail", row.id)


@login_required
@require_GET
def conversation(request: UserRequest, question_id: UUID, form: str) -> HttpResponseBase:
    """The whole conversation that the question is part of."""
    row = question_detail(user=request.user, question_id=question_id)
    if row.conversation is None:
        wanted = Wanted(Source.QUESTION, row.id, row.collection, taken_questions([row]))
    else:
        wanted = Wanted(Source.CONVERSATION, row.conversation.id, row.collection, taken_conversation(row.conversation))
    return _file(request, wanted, form) or redirect("ask-detail", row.id)


@login_required
@require_GET
def sweep(request: UserRequest, sweep_id: UUID, form: str) -> HttpResponseBase:
    row = sweep_detail(user=request.user, sweep_id=sweep_id)
    wanted = Wanted(Source.SWEEP, row.id, row.checklist.collection, taken_sweep(row))
    return _file(request, wanted, form) or redirect("checklist-detail", row.id)


def _file(request: UserRequest, wanted: Wanted, form: str) -> HttpResponseBase | None:
    """`pages=1` asks for the cited pages too. None where it is refused, with a message that says why."""
    if form not in FORMS:
        raise Http404
    try:
        made = export_make(owner=request.user, wanted=wanted, form=form, pages=request.GET.get("pages") == "1")
    except ExportRefused as error:
        messages.error(request, str(error))
        return None
    return made if isinstance(made, HttpResponseBase) else redirect("export-list")


@login_required
@require_GET
def exports(request: UserRequest) -> HttpResponse:
    """The caller's files, those that are being made among them."""
    rows = [(export, job_progress(export.job)) for export in export_list(user=request.user)[:SHOWN]]
    context = {"rows": rows, "settled": all(export.job.state in ENDED for export, _ in rows)}
    return render_page(request, "export/exports.html", context, fragments=("exports",))


@login_required
@require_GET
def file(request: UserRequest, export_id: UUID) -> HttpResponseBase:
    export = export_detail(user=request.user, export_id=export_id)
    try:
        if export.is_ready:
            return attachment(export.file, export.file_name, FORMS[export.form].content_type)
    except FileNotFoundError as error:
        raise Http404 from error
    raise Http404


@login_required
@require_POST
def delete(request: UserRequest, export_id: UUID) -> HttpResponse:
    export = export_detail(user=request.user, export_id=export_id)
    export_delete(export=export)
    messages.success(request, gettext("“{name}” is deleted.").format(name=export.file_name))
    return redirect("export-list")
