"""The pages of sweeps: those of a collection with the form for a new one, and one sweep's table as it fills."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.models import User
from webapp.accounts.requests import UserRequest
from webapp.checklist.models import Sweep
from webapp.checklist.question_lists import MOST_BYTES, ListUnreadable, questions_in, ready_list, ready_lists
from webapp.checklist.selectors import (
    DOCUMENTS_A_PAGE,
    cell_detail,
    coverage,
    fresh_cells,
    pace,
    sweep_detail,
    sweep_list,
    table,
    table_cell,
)
from webapp.checklist.services import SweepRefused, VerdictRefused, sweep_continue, sweep_create, sweep_stop, verdict_set
from webapp.core.rendering import render_page, wants
from webapp.library.access import Right, rights
from webapp.library.selectors import collection_counts, collection_detail

# What a table can be saved as, the most wanted first (webapp.export).
FORMS = (("xlsx", "Excel"), ("csv", "CSV"), ("docx", "Word"), ("pdf", "PDF"), ("md", "Markdown"), ("bib", "BibTeX"), ("json", "JSON"))
# Rows that were written while the last look was taken come with the next one.
OVERLAP = timedelta(seconds=5)


@login_required
@require_GET
def sweeps(request: UserRequest, collection_id: UUID) -> HttpResponse:
    """`list` names a ready list to begin with."""
    chosen = ready_list(request.GET.get("list", ""))
    return _list(request, collection_id, "\n".join(chosen.questions) if chosen else "")


def _list(request: UserRequest, collection_id: UUID, typed: str) -> HttpResponse:
    collection = collection_detail(user=request.user, collection_id=collection_id)
    counts = collection_counts(collection=collection)
    context = {"collection": collection, "counts": counts, "unparsed": counts.documents - counts.askable, "typed": typed}
    context |= {"ready": ready_lists(), "rights": rights(request.user, collection)}
    return render_page(request, "checklist/sweeps.html", context | {"sweeps": sweep_list(collection=collection)})


@login_required
@require_POST
def create(request: UserRequest, collection_id: UUID) -> HttpResponse:
    """`questions`: one a line; `file`: further ones as CSV. Where they are refused, they stay in the form."""
    collection = collection_detail(user=request.user, collection_id=collection_id, right=Right.CHANGE)
    typed = request.POST.get("questions", "")
    try:
        if file := request.FILES.get("file"):
            typed = "\n".join([*typed.splitlines(), *questions_in(file.read(MOST_BYTES + 1))])
        sweep = sweep_create(collection=collection, owner=request.user, questions=typed.splitlines())
    except (SweepRefused, ListUnreadable) as error:
        messages.error(request, str(error))
        return _list(request, collection_id, typed)
    return redirect("checklist-detail", sweep.id)


@login_required
@require_GET
def sweep(request: UserRequest, sweep_id: UUID) -> HttpResponse:
    """The whole page, or what of it has changed `since` the last look."""
    row = sweep_detail(user=request.user, sweep_id=sweep_id)
    number = request.GET.get("documents", "1")
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 1
    context = _state(request.user, row, page)
    if wants(request, "sweep_state"):
        context |= {"fresh": fresh_cells(sweep=row, page=page, since=_since(request))}
    else:
        context |= {"table": table(sweep=row, page=page)}
    return render_page(request, "checklist/sweep.html", context, fragments=("sweep_state",))


def _state(user: User, row: Sweep, page: int) -> dict[str, Any]:
    covered = coverage(sweep=row)
    return {
        "sweep": row,
        "checklist": row.checklist,
        "collection": row.checklist.collection,
        "coverage": covered,
        "pace": pace(sweep=row, left=covered.cells_of - covered.cells),
        "now": timezone.now().isoformat(),
        "page": page,
        "forms": FORMS,
        "rights": rights(user, row.checklist.collection),
    }


def _since(request: UserRequest) -> datetime:
    """The last look, and all there is where that is no moment."""
    try:
        seen = datetime.fromisoformat(request.GET.get("since", ""))
        return (seen if seen.tzinfo else timezone.make_aware(seen)) - OVERLAP
    except (ValueError, OverflowError):
        return timezone.now() - timedelta(days=1)


@login_required
@require_POST
def stop(request: UserRequest, sweep_id: UUID) -> HttpResponse:
    row = sweep_detail(user=request.user, sweep_id=sweep_id, right=Right.CHANGE)
    if not sweep_stop(sweep=row):
        messages.error(request, gettext("This sweep has ended already."))
    return redirect("checklist-detail", row.id)


@login_required
@require_POST
def go_on(request: UserRequest, sweep_id: UUID) -> HttpResponse:
    row = sweep_detail(user=request.user, sweep_id=sweep_id, right=Right.CHANGE)
    if not sweep_continue(sweep=row):
        messages.error(request, gettext("This sweep has not ended yet."))
    return redirect("checklist-detail", row.id)


@login_required
@require_POST
def verdict(request: UserRequest, cell_id: UUID) -> HttpResponse:
    """`judgement`: confirmed, wrong or nothing; `note`. Answers with the cell, or without script with the table at it."""
    cell = cell_detail(user=request.user, cell_id=cell_id)
    try:
        verdict_set(cell=cell, person=request.user, judgement=request.POST.get("judgement", ""), note=request.POST.get("note", ""))
    except VerdictRefused as error:
        messages.error(request, str(error))
    shown = table_cell(cell_detail(user=request.user, cell_id=cell_id))
    if wants(request, shown.key):
        context = {"cell": shown, "rights": rights(request.user, cell.document.sweep.checklist.collection), "judged": True}
        return render_page(request, "checklist/_cell.html", context)
    page = cell.document.number // DOCUMENTS_A_PAGE + 1
    return redirect(f"{reverse('checklist-detail', args=[cell.document.sweep_id])}?documents={page}#{shown.key}")
