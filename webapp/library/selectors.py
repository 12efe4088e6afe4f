"""Reads of collections and documents: as much of them as webapp.library.access lets a user see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext, ngettext

from webapp.accounts.models import User
from webapp.core.listing import PLAIN, Listing
from webapp.library.access import Right, reach, require
from webapp.library.models import ASKABLE, WAITING, Collection, Document, DocumentState, Page


@dataclass(frozen=True, slots=True)
class CollectionCounts:
    """What a collection holds. An archive counts as its files; `askable` documents are part of the prompt."""

    documents: int
    pages: int
    tokens: int
    indexed_tokens: int
    stored_tokens: int
    bytes: int
    waiting: int
    askable: int
    indexed: int
    ready: int
    failed: int
    locked: int

    @property
    def state(self) -> str:
        """In words, for people."""
        if not self.documents:
            return gettext("parsing") if self.waiting else gettext("empty")
        words = []
        if self.waiting:
            parsing = min(self.waiting, self.documents)  # an archive that is unpacked waits beside its files
            words.append(gettext("parsing {n} of {documents}").format(n=parsing, documents=self.documents))
        if reading := self.askable - self.indexed - self.ready:
            words.append(gettext("reading {n} of {documents}").format(n=reading, documents=self.documents))
        if self.indexed:
            words.append(gettext("indexed {n} of {documents}").format(n=self.indexed, documents=self.documents))
        if self.failed:
            words.append(gettext("{n} failed").format(n=self.failed))
        if self.locked:
            words.append(ngettext("{n} needs a password", "{n} need a password", self.locked).format(n=self.locked))
        return ", ".join(words) or gettext("ready")


@dataclass(frozen=True, slots=True)
class CollectionRow:
    collection: Collection
    counts: CollectionCounts


# What people may sort by, and by which columns; the first is the default.
DOCUMENT_ORDERS = {
    "name": ("path", "created_at"),
    "newest": ("-created_at",),
    "state": ("progressed", "path"),
    "size": ("-size_bytes", "path"),
    "tokens": ("-token_count", "path"),
}
COLLECTION_ORDERS = {
    "name": ("name", "created_at"),
    "newest": ("-created_at",),
    "state": ("-failed", "-waiting", "name"),
    "size": ("-bytes", "name"),
    "tokens": ("-tokens", "name"),
}
# What went wrong first, then what is least far.
_STUCK = (DocumentState.FAILED, DocumentState.LOCKED)
_PROGRESS = (*_STUCK, *(state for state in DocumentState if state not in _STUCK))
PROGRESSED = Case(*(When(state=state, then=Value(place)) for place, state in enumerate(_PROGRESS)), output_field=IntegerField())

_FILES = Q(documents__is_archive=False)
_COUNTS = {
    "document_count": Count("documents", filter=_FILES),
    "pages": Coalesce(Sum("documents__page_count"), 0),
    "tokens": Coalesce(Sum("documents__token_count", filter=Q(documents__state__in=ASKABLE)), 0),
    "indexed_tokens": Coalesce(Sum("documents__indexed_token_count", filter=Q(documents__state__in=ASKABLE)), 0),
    "stored_tokens": Coalesce(Sum("documents__stored_token_count", filter=Q(documents__state__in=ASKABLE)), 0),
    "bytes": Coalesce(Sum("documents__size_bytes", filter=Q(documents__archive=None)), 0),
    "waiting": Count("documents", filter=Q(documents__state__in=WAITING)),
    "askable": Count("documents", filter=_FILES & Q(documents__state__in=ASKABLE)),
    "indexed": Count("documents", filter=_FILES & Q(documents__state=DocumentState.INDEXED)),
    "ready": Count("documents", filter=_FILES & Q(documents__state=DocumentState.READY)),
    "failed": Count("documents", filter=Q(documents__state=DocumentState.FAILED)),
    "locked": Count("documents", filter=Q(documents__state=DocumentState.LOCKED)),
}


def collection_list(*, user: User) -> QuerySet[Collection]:
    return Collection.objects.filter(reach(user, via=""))


def collections_owned(*, user: User) -> QuerySet[Collection]:
    return Collection.objects.filter(reach(user, Right.OWN, via=""))


def collection_rows(*, user: User, listing: Listing = PLAIN) -> list[CollectionRow]:
    """What the user may see, with its counts, in one query."""
    rows = collection_list(user=user).select_related("owner").annotate(**_COUNTS).order_by(*listing.order(COLLECTION_ORDERS))
    rows = rows.filter(name__icontains=listing.find) if listing.find else rows
    return [CollectionRow(collection, _counts(collection)) for collection in rows]


def collection_detail(*, user: User, collection_id: UUID, right: Right = Right.READ) -> Collection:
    """Raises Http404 where the user may see no such collection, PermissionDenied where the user may see it and has not this right."""
    collection = get_object_or_404(Collection.objects.select_related("owner"), reach(user, via=""), id=collection_id)
    require(user, right, collection)
    return collection


def collection_counts(*, collection: Collection) -> CollectionCounts:
    return _counts(Collection.objects.annotate(**_COUNTS).get(id=collection.id))


def _counts(collection: Collection) -> CollectionCounts:
    values = {name: getattr(collection, name) for name in _COUNTS if name != "document_count"}
    return CollectionCounts(documents=collection.document_count, **values)  # type: ignore[attr-defined]


def document_list(*, collection: Collection) -> QuerySet[Document]:
    """Every file, those of archives included, in the order of the prompt."""
    return collection.documents.filter(is_archive=False).order_by("path", "created_at")


def document_spans(*, collection: Collection) -> list[Document]:
    """The documents of the prompt, in its order, with as much of each as the evidence strip needs."""
    askable = document_list(collection=collection).filter(state__in=ASKABLE)
    return list(askable.only("collection", "path", "token_count", "page_count", "line_count"))


def document_uploads(*, collection: Collection, listing: Listing = PLAIN) -> QuerySet[Document]:
    """What was uploaded: files and archives, without the archives' own files; these too where something is looked for."""
    found = collection.documents.filter(path__icontains=listing.find) if listing.find else collection.documents.filter(archive=None)
    return found.annotate(progressed=PROGRESSED).order_by(*listing.order(DOCUMENT_ORDERS))


def document_files(*, collection: Collection, listing: Listing = PLAIN) -> QuerySet[Document]:
    """Archives and files, those of archives included."""
    found = collection.documents.filter(path__icontains=listing.find) if listing.find else collection.documents.all()
    return found.annotate(progressed=PROGRESSED).order_by(*listing.order(DOCUMENT_ORDERS))


def document_twins(*, user: User, collection: Collection, documents: Iterable[Document]) -> dict[UUID, list[Document]]:
    """To each document of the collection the others that are the same file byte for byte, among its owner's that the user may see."""
    rows = list(documents)
    same = Document.objects.filter(reach(user), collection__owner=collection.owner_id, sha256__in={row.sha256 for row in rows})
    by_content: dict[str, list[Document]] = {}
    for twin in same.select_related("collection").order_by("created_at"):
        by_content.setdefault(twin.sha256, []).append(twin)
    return {row.id: [twin for twin in by_content[row.sha256] if twin.id != row.id] for row in rows if row.sha256 in by_content}


def document_detail(*, user: User, document_id: UUID, right: Right = Right.READ) -> Document:
    """Raises as collection_detail does."""
    document = get_object_or_404(Document.objects.select_related("collection__owner", "archive"), reach(user), id=document_id)
    require(user, right, document.collection)
    return document


def page_detail(*, user: User, document_id: UUID, number: int) -> Page:
    """Raises Http404 where the user may see no such page."""
    pages = Page.objects.select_related("document")
    return get_object_or_404(pages, reach(user, via="document__collection"), document_id=document_id, number=number)
