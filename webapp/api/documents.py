"""/documents/ID: look at, rename, move, delete, unlock, replace, and read again."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponseBase
from ninja import File, Router, Status
from ninja.files import UploadedFile
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.paging import Pages
from webapp.api.schemas.documents import DocumentOut, DocumentPatch, FileOut, HoldingsOut, SkippedOut, UnlockIn
from webapp.core.downloads import attachment
from webapp.library.access import Right
from webapp.library.holdings import Holdings, document_holdings
from webapp.library.models import Document
from webapp.library.selectors import collection_detail, document_detail
from webapp.library.services import document_delete, document_move, document_rename
from webapp.library.skipped import skipped_lines
from webapp.upload.services import FileOutcome, document_retry
from webapp.upload.unlocking import document_unlock
from webapp.upload.versions import file_replace

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
    return document_holdings(document=document)


@router.get("/{document_id}/skipped", response=list[SkippedOut])
@paginate(Pages)
def skipped(request: ApiRequest, document_id: UUID) -> list[dict[str, str]]:
    """What was left out of an archive, and why, in the archive's order."""
    document = document_detail(user=request.auth, document_id=document_id)
    return [{"path": path, "reason": reason, "why": why} for path, reason, why in skipped_lines(document=document)]


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


@router.post("/{document_id}/unlock", response={202: DocumentOut})
def unlock(request: ApiRequest, document_id: UUID, body: UnlockIn) -> Status[Document]:
    """Reads a document whose state is `locked`, with its password, which is kept nowhere."""
    document = document_detail(user=request.auth, document_id=document_id, right=Right.CHANGE)
    document_unlock(document=document, password=body.password, user=request.auth)
    return Status(202, document_detail(user=request.auth, document_id=document_id))


@router.post("/{document_id}/replace", response={202: FileOut})
def replace(request: ApiRequest, document_id: UUID, file: File[UploadedFile]) -> Status[FileOutcome]:
    """A new version of a file or an archive, field name `file`. The earlier one can be asked until the new one can. What has not changed is
    not read again; files that are no longer in the archive go."""
    document = document_detail(user=request.auth, document_id=document_id, right=Right.CHANGE)
    return Status(202, file_replace(document=document, file=file))
