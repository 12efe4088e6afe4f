"""Where files come in: one request may bring several, each with an outcome of its own."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.requests import UserRequest
from webapp.library.access import Right
from webapp.library.selectors import collection_detail, document_detail
from webapp.upload.repositories import RepositoryRefused, repository_add
from webapp.upload.services import FileOutcome, document_retry, files_accept, samples_add, shown_name, too_large
from webapp.upload.unlocking import UnlockRefused, document_unlock
from webapp.upload.versions import documents_here, file_replace

# What a form adds to its files: boundaries, names, the CSRF token.
FORM_BYTES = 1_000_000
MOST_NAMES = 100


@login_required
@require_POST
def upload(request: UserRequest, collection_id: UUID) -> HttpResponse:
    """JSON for upload.js, a redirect with messages for a plain form."""
    collection = collection_detail(user=request.user, collection_id=collection_id, right=Right.CHANGE)
    outcomes = _refused_whole(request) or files_accept(collection=collection, files=request.FILES.getlist("file"))
    if _wants_json(request):
        return JsonResponse({"files": [_plain(outcome) for outcome in outcomes]})
    _tell(request, outcomes)
    return redirect("library-collection", collection.id)


@login_required
@require_GET
def here(request: UserRequest, collection_id: UUID) -> HttpResponse:
    """To each `name` of the query that an upload here has, the address to which its new version goes."""
    collection = collection_detail(user=request.user, collection_id=collection_id, right=Right.CHANGE)
    names = [shown_name(name) for name in request.GET.getlist("name")[:MOST_NAMES]]
    found = documents_here(collection=collection, names=names)
    return JsonResponse({name: reverse("upload-replace", args=[document.id]) for name, document in found.items()})


@login_required
@require_POST
def repository(request: UserRequest, collection_id: UUID) -> HttpResponse:
    """`address`: that of a repository, which is fetched."""
    collection = collection_detail(user=request.user, collection_id=collection_id, right=Right.CHANGE)
    try:
        repository_add(collection=collection, address=request.POST.get("address", ""))
    except RepositoryRefused as error:
        messages.error(request, str(error))
    return redirect("library-collection", collection.id)


@login_required
@require_POST
def replace(request: UserRequest, document_id: UUID) -> HttpResponse:
    """A new version of a document, as field `file`. Answers as `upload` does."""
    document = document_detail(user=request.user, document_id=document_id, right=Right.CHANGE)
    outcomes = _refused_whole(request) or [file_replace(document=document, file=file) for file in request.FILES.getlist("file")[:1]]
    if _wants_json(request):
        return JsonResponse({"files": [_plain(outcome) for outcome in outcomes]})
    _tell(request, outcomes)
    if not any(outcome.document for outcome in outcomes):
        return redirect("library-about", document.id)
    for outcome in outcomes:
        said = gettext("“{name}” has not changed; nothing is read again.") if outcome.is_unchanged else gettext("“{name}” is being read.")
        messages.success(request, said.format(name=outcome.name))
    return redirect("library-collection", document.collection_id)


def _wants_json(request: UserRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


def _refused_whole(request: UserRequest) -> list[FileOutcome]:
    """Looked at before the body is: an outcome where the request is too large to be read."""
    sent = int(request.META.get("CONTENT_LENGTH") or 0)
    if sent <= settings.LONGREAD_UPLOAD_BYTES + FORM_BYTES:
        return []
    return [FileOutcome(gettext("This upload"), None, too_large(sent))]


def _plain(outcome: FileOutcome) -> dict[str, object]:
    accepted = outcome.document is not None
    return {"name": outcome.name, "accepted": accepted, "unchanged": outcome.is_unchanged, "reason": outcome.reason}


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


@sensitive_post_parameters("password")
@login_required
@require_POST
def unlock(request: UserRequest, document_id: UUID) -> HttpResponse:
    """`password`: the one with which the document opens."""
    document = document_detail(user=request.user, document_id=document_id, right=Right.CHANGE)
    try:
        document_unlock(document=document, password=request.POST.get("password", ""), user=request.user)
    except UnlockRefused as error:
        messages.error(request, str(error))
        return redirect("library-about", document.id)
    return redirect("library-collection", document.collection_id)
