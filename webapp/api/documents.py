"""/documents/ID: look at, delete, and read again."""

from uuid import UUID

from ninja import Router, Status

from webapp.api.auth import ApiRequest
from webapp.api.schemas import DocumentOut
from webapp.library.access import Right
from webapp.library.models import Document
from webapp.library.selectors import document_detail
from webapp.library.services import document_delete
from webapp.upload.services import document_retry

router = Router(tags=["documents"])


@router.get("/{document_id}", response=DocumentOut)
def detail(request: ApiRequest, document_id: UUID) -> Document:
    return document_detail(user=request.auth, document_id=document_id)


@router.delete("/{document_id}", response={204: None})
def delete(request: ApiRequest, document_id: UUID) -> Status[None]:
    """Deletes the document with its files and its stored state. Quotes in answers stay as text."""
    document_delete(document=document_detail(user=request.auth, document_id=document_id, right=Right.CHANGE))
    return Status(204, None)


@router.post("/{document_id}/retry", response={202: DocumentOut})
def retry(request: ApiRequest, document_id: UUID) -> Status[Document]:
    """Reads a failed document again from its original."""
    document_retry(document=document_detail(user=request.auth, document_id=document_id, right=Right.CHANGE))
    return Status(202, document_detail(user=request.auth, document_id=document_id))
