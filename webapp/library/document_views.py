"""The page about one document: what it takes, how far it is read, where else it is; and what can be done with it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.requests import UserRequest
from webapp.core.rendering import render_page
from webapp.library.access import Right, rights
from webapp.library.holdings import document_holdings, document_unpacked
from webapp.library.selectors import collection_detail, collections_owned, document_detail, document_twins
from webapp.library.services import MoveRefused, NameRefused, document_move, document_rename
from webapp.library.skipped import skipped_groups


@login_required
@require_GET
def about(request: UserRequest, document_id: UUID) -> HttpResponse:
    """What an archive's files take is only added up where the query has `sizes`: nobody is to wait for that who wants something else."""
    document = document_detail(user=request.user, document_id=document_id)
    collection = document.collection
    context = {
        "document": document,
        "collection": collection,
        "rights": rights(request.user, collection),
        "unpacked": document_unpacked(document=document) if document.is_archive else None,
        "holdings": document_holdings(document=document) if not document.is_archive or "sizes" in request.GET else None,
        "twins": document_twins(user=request.user, collection=collection, documents=[document]).get(document.id, []),
        "targets": collections_owned(user=request.user).exclude(id=collection.id),
    }
    return render_page(request, "library/about.html", context)


@login_required
@require_GET
def skipped(request: UserRequest, document_id: UUID) -> HttpResponse:
    """What was left out of an archive, and why. `reason` and `page`: a further page of one group."""
    document = document_detail(user=request.user, document_id=document_id)
    reason = request.GET.get("reason", "")
    groups = skipped_groups(document=document, reason=reason, page=request.GET.get("page", "1"))
    context = {"document": document, "collection": document.collection, "groups": groups, "reason": reason}
    return render_page(request, "library/skipped.html", context)


@login_required
@require_POST
def rename(request: UserRequest, document_id: UUID) -> HttpResponse:
    document = document_detail(user=request.user, document_id=document_id, right=Right.CHANGE)
    try:
        document_rename(document=document, name=request.POST.get("name", ""))
    except NameRefused as error:
        messages.error(request, str(error))
    return redirect("library-about", document.id)


@login_required
@require_POST
def move(request: UserRequest, document_id: UUID) -> HttpResponse:
    """`collection`: the id of another collection of the owner's."""
    document = document_detail(user=request.user, document_id=document_id, right=Right.OWN)
    try:
        wanted = UUID(request.POST.get("collection", ""))
    except ValueError:
        messages.error(request, gettext("Choose a collection first."))
        return redirect("library-about", document.id)
    target = collection_detail(user=request.user, collection_id=wanted, right=Right.OWN)
    try:
        document_move(document=document, target=target)
        messages.success(request, gettext("“{name}” is in “{collection}” now.").format(name=document.name, collection=target.name))
    except MoveRefused as error:
        messages.error(request, str(error))
    return redirect("library-about", document.id)
