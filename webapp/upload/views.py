"""Where files come in: one request may bring several, each with an outcome of its own."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from webapp.accounts.requests import UserRequest
from webapp.library.access import Right
from webapp.library.selectors import collection_detail, document_detail
from webapp.upload.services import FileOutcome, document_retry, files_accept, samples_add

# What a form adds to its files: boundaries, names, the CSRF token.
FORM_BYTES = 1_000_000


@login_required
@require_POST
def upload(request: UserRequest, collection_id: UUID) -> HttpResponse:
    """JSON for upload.js, a redirect with messages for a plain form."""
    collection = collection_detail(user=request.user, collection_id=collection_id, right=Right.CHANGE)
    as_json = request.headers.get("Accept", "").startswith("application/json")
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.LONGREAD_UPLOAD_BYTES + FORM_BYTES:
        outcomes = [FileOutcome(gettext("This upload"), None, _too_large())]
    else:
        outcomes = files_accept(collection=collection, files=request.FILES.getlist("file"))
    if as_json:
        return JsonResponse({"files": [_plain(outcome) for outcome in outcomes]})
    _tell(request, outcomes)
    return redirect("library-collection", collection.id)


def _too_large() -> str:
    said = gettext("is larger than {most:,} MB, the most that one upload may have. Split it into parts.")
    return said.format(most=settings.LONGREAD_UPLOAD_BYTES // 10**6)


def _plain(outcome: FileOutcome) -> dict[str, object]:
    return {"name": outcome.name, "accepted": outcome.document is not None, "reason": outcome.reason}


def _tell(request: UserRequest, outcomes: list[FileOutcome]) -> None:
    if not outcomes:
        messages.error(request, gettext("Choose a file first."))
    for outcome in outcomes:
        if outcome.document is None:
            messages.error(request, f"{outcome.name}: {outcome.reason}")


@login_required
@require_POST
def samples(request: UserRequest) -> HttpResponse:
    collection = samples_add(owner=request.user)
    return redirect("library-collection", collection.id)


@login_required
@require_POST
def retry(request: UserRequest, document_id: UUID) -> HttpResponse:
    document = document_detail(user=request.user, document_id=document_id, right=Right.CHANGE)
    document_retry(document=document)
    return redirect("library-collection", document.collection_id)
