"""The page on which an owner shares a collection."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from webapp.accounts.requests import UserRequest
from webapp.core.rendering import render_page
from webapp.library.access import Right
from webapp.library.members import ShareRefused, member_detail, member_list, member_put, member_remove
from webapp.library.selectors import collection_detail


@login_required
@require_http_methods(["GET", "POST"])
def members(request: UserRequest, collection_id: UUID) -> HttpResponse:
    """Who is let in; posting `username` and `may_change` lets one more in, or changes what a member may do."""
    collection = collection_detail(user=request.user, collection_id=collection_id, right=Right.OWN)
    if request.method == "GET":
        return render_page(request, "library/members.html", {"collection": collection, "members": member_list(collection=collection)})
    try:
        member = member_put(
            collection=collection, username=request.POST.get("username", ""), may_change=request.POST.get("may_change") == "yes"
        )
        reads = gettext("{name} may now read and ask “{collection}”.")
        changes = gettext("{name} may now read, ask and change “{collection}”.")
        messages.success(request, (changes if member.may_change else reads).format(name=member.user, collection=collection.name))
    except ShareRefused as error:
        messages.error(request, str(error))
    return redirect("library-members", collection.id)


@login_required
@require_POST
def remove(request: UserRequest, collection_id: UUID, member_id: UUID) -> HttpResponse:
    collection = collection_detail(user=request.user, collection_id=collection_id, right=Right.OWN)
    member = member_detail(collection=collection, member_id=member_id)
    member_remove(member=member)
    messages.success(
        request, gettext("“{collection}” is no longer shared with {name}.").format(collection=collection.name, name=member.user)
    )
    return redirect("library-members", collection.id)


@login_required
@require_POST
def leave(request: UserRequest, collection_id: UUID) -> HttpResponse:
    """A member goes by themselves; an owner cannot."""
    collection = collection_detail(user=request.user, collection_id=collection_id)
    for member in member_list(collection=collection).filter(user=request.user):
        member_remove(member=member)
        messages.success(request, gettext("“{collection}” is no longer shared with you.").format(collection=collection.name))
    return redirect("library-home")
