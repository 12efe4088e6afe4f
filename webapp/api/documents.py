"""/documents/ID: look at, rename, move, delete, and read again."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponseBase
from ninja import Router, Status

from webapp.api.auth import ApiRequest
from webapp.api.schemas import DocumentOut, DocumentPatch, HoldingsOut
from webapp.core.downloads import attachment
from webapp.library.access import Right
from webapp.library.holdings import Holdings, holdings
from webapp.library.models import Document
from webapp.library.selectors import collection_detail, document_detail
from webapp.library.services import document_delete, document_move, document_rename
from webapp.upload.services import document_retry

router = Router(tags=["documents"])

FILE: dict[str, Any] = {"responses": {200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}}


@router.get("/{document_id}", response=DocumentOut)
def detail(request: ApiRequest, document_id: UUID) -> Document:
    return document_detail(user=request.auth, document_id=document_id)


@router.patch("/{document_id}", response=DocumentOut)
def change(request: ApiRequest, document_id: UUID, body: DocumentPatch) -> Document:
    """Renames it, moves it to another collection of its owner's, or both. Nothing is read again."""
    document = document_detail(user=request.auth, document_id=document_id, right=Right.OWN if body.collection else Right.CHANGE)
    if body.name is not None:
        document_rename(document=document, name=body.name)
    if body.collection is not None and body.collection != document.collection_id:
        document_move(document=document, target=collection_detail(user=request.auth, collection_id=body.collection, right=Right.OWN))
    return document_detail(user=request.auth, document_id=document_id)


@router.get("/{document_id}/holdings", response=HoldingsOut)
def held(request: ApiRequest, document_id: UUID) -> Holdings:
    """What deleting the document would free, an archive with its files."""
    document = document_detail(user=request.auth, document_id=document_id)
    return holdings(documents=[document, *document.members.all()], salt=document.collection.owner.salt)


@router.get("/{document_id}/original", openapi_extra=FILE)
def original(request: ApiRequest, document_id: UUID) -> HttpResponseBase:
    """What was uploaded, byte for byte."""
    document = document_detail(user=request.auth, document_id=document_id)
    try:
        return attachment(document.folder.original, document.name)
    except FileNotFoundError as error:
        raise Http404 from error


@router.delete("/{document_id}", response={204: None})
def delete(request: ApiRequest, document_id: UUID) -> Status[None]:
    """Deletes the document with its files and its stored state. Quotes in answers stay as text."""
    document_delete(document=document_detail(user=request.auth, document_id=document_id, right=Right.CHANGE))
    return Status(204, None)


@router.post("/{document_id}/retry", response={202: DocumentOut})
def retry(request: ApiRequest, document_id: UUID) -> Status[Document]:
    """Reads a document again from its original."""
    document_retry(document=document_detail(user=request.auth, document_id=document_id, right=Right.CHANGE))
    return Status(202, document_detail(user=request.auth, document_id=document_id))
