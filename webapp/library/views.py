"""Collections and the viewer of documents. The page of one collection is where it is asked: webapp.ask.views."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ingest.errors import IngestError
from ingest.render import PANE, WIDTHS, page_image
from webapp.accounts.requests import UserRequest
from webapp.core.downloads import attachment
from webapp.core.listing import Listing
from webapp.core.rendering import render_page, wants
from webapp.library.access import Right
from webapp.library.holdings import collection_holdings, document_holdings
from webapp.library.models import Collection, Document
from webapp.library.selectors import (
    COLLECTION_ORDERS,
    collection_counts,
    collection_detail,
    collection_rows,
    document_detail,
    page_detail,
)
from webapp.library.services import (
    NameRefused,
    collection_create,
    collection_delete,
    collection_rename,
    document_delete,
)
from webapp.library.source import source_context


@login_required
@require_GET
def home(request: UserRequest) -> HttpResponse:
    """Where something is looked for and not found, the page says so; where there is nothing at all, it says how to begin."""
    listing = Listing.of(request.GET)
    rows = collection_rows(user=request.user, listing=listing)
    context = {"rows": rows, "listing": listing, "orders": COLLECTION_ORDERS, "has_any": bool(rows or listing.find)}
    return render_page(request, "library/home.html", context, fragments=("collections",))


@login_required
@require_POST
def collection_new(request: UserRequest) -> HttpResponse:
    try:
        collection = collection_create(owner=request.user, name=request.POST.get("name", ""))
    except NameRefused as error:
        messages.error(request, str(error))
        return redirect("library-home")
    return redirect("library-collection", collection.id)


@login_required
@require_POST
def collection_name(request: UserRequest, collection_id: UUID) -> HttpResponse:
    collection = collection_detail(user=request.user, collection_id=collection_id, right=Right.OWN)
    try:
        collection_rename(collection=collection, name=request.POST.get("name", ""))
    except NameRefused as error:
        messages.error(request, str(error))
    return redirect("library-collection", collection.id)


@login_required
@require_http_methods(["GET", "POST"])
def collection_remove(request: UserRequest, collection_id: UUID) -> HttpResponse:
    """Says what goes, then lets it go."""
    collection = collection_detail(user=request.user, collection_id=collection_id, right=Right.OWN)
    if request.method == "GET":
        holds = collection_holdings(collection=collection)
        context = {"collection": collection, "counts": collection_counts(collection=collection), "holdings": holds}
        return render_page(request, "library/collection_delete.html", context)
    return _collection_removed(request, collection)


def _collection_removed(request: UserRequest, collection: Collection) -> HttpResponse:
    name = collection.name
    collection_delete(collection=collection)
    messages.success(request, gettext("“{name}” and everything in it is deleted.").format(name=name))
    return redirect("library-home")


@login_required
@require_http_methods(["GET", "POST"])
def document_remove(request: UserRequest, document_id: UUID) -> HttpResponse:
    document = document_detail(user=request.user, document_id=document_id, right=Right.CHANGE)
    if request.method == "GET":
        holds = document_holdings(document=document)
        context = {"document": document, "collection": document.collection, "members": document.members.count(), "holdings": holds}
        return render_page(request, "library/document_delete.html", context)
    return _document_removed(request, document)


def _document_removed(request: UserRequest, document: Document) -> HttpResponse:
    name, collection_id = document.name, document.collection_id
    document_delete(document=document)
    messages.success(request, gettext("“{name}” is deleted.").format(name=name))
    return redirect("library-collection", collection_id)


@login_required
@require_GET
def document(request: UserRequest, document_id: UUID) -> HttpResponse:
    """The viewer, whole or as the pane beside an answer; `from` asks for a further run of pages or lines of it."""
    row = document_detail(user=request.user, document_id=document_id)
    context = source_context(row, request.GET)
    template = "library/document.html"
    if "from" in request.GET and request.htmx and not wants(request, "source"):
        template = "library/_run.html"
    return render_page(request, template, context, fragments=("source",))


@login_required
@require_GET
def page_picture(request: UserRequest, document_id: UUID, number: int) -> HttpResponseBase:
    """A page as an image. Drawn when first looked at, and then kept beside the document."""
    page = page_detail(user=request.user, document_id=document_id, number=number)
    asked = request.GET.get("width", "")
    width = int(asked) if asked in {str(width) for width in WIDTHS} else PANE
    try:
        image = page_image(page.document.folder, page.number, width, settings.LONGREAD_LIMITS)
    except (IngestError, FileNotFoundError) as error:
        raise Http404("This page cannot be drawn.") from error
    response = HttpResponse(image.read_bytes(), content_type="image/webp")
    response["Cache-Control"] = "private, max-age=86400"
    return response


@login_required
@require_GET
def original(request: UserRequest, document_id: UUID) -> HttpResponseBase:
    """The upload itself, byte for byte, to save and never to show."""
    row = document_detail(user=request.user, document_id=document_id)
    try:
        return attachment(row.folder.original, row.name)
    except FileNotFoundError as error:
        raise Http404("The file is gone.") from error
