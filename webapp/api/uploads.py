"""/uploads: a large file in parts, each at its offset; after a cut connection the upload says where to go on."""

from typing import Annotated, Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Status
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.models import PartialUpload
from webapp.api.paging import Pages
from webapp.api.parts import part_add, upload_delete, upload_finish
from webapp.api.schemas.documents import DocumentOut, FinishIn, PartialOut
from webapp.library.access import Right, reach, require
from webapp.library.models import Document
from webapp.library.selectors import document_detail

router = Router(tags=["uploads"])

# Where in the file a part begins.
Offset = Annotated[int, Query(..., ge=0, le=2**53)]
RAW = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
BYTES: dict[str, Any] = {"requestBody": {"required": True, "content": RAW}}


def own(request: ApiRequest, upload_id: UUID) -> PartialUpload:
    """The caller's own, while the caller may change its collection. Raises Http404 or PermissionDenied."""
    uploads = PartialUpload.objects.select_related("collection__owner")
    upload = get_object_or_404(uploads, reach(request.auth), owner=request.auth, id=upload_id)
    require(request.auth, Right.CHANGE, upload.collection)
    return upload


@router.get("", response=list[PartialOut])
@paginate(Pages)
def uploads(request: ApiRequest) -> QuerySet[PartialUpload]:
    """Those of the caller that are not finished."""
    return PartialUpload.objects.filter(reach(request.auth), owner=request.auth)


@router.get("/{upload_id}", response=PartialOut)
def detail(request: ApiRequest, upload_id: UUID) -> PartialUpload:
    """`offset` says how much is here, and so where the next part begins."""
    return own(request, upload_id)


@router.put("/{upload_id}", response=PartialOut, openapi_extra=BYTES)
def part(request: ApiRequest, upload_id: UUID, offset: Offset) -> PartialUpload:
    """The bytes that begin at `offset`, which is where the upload ends; at most `part_bytes` of them."""
    upload = own(request, upload_id)
    part_add(upload=upload, offset=offset, content=request)
    return upload


@router.post("/{upload_id}/finish", response={202: DocumentOut})
def finish(request: ApiRequest, upload_id: UUID, body: FinishIn) -> Status[Document]:
    """Makes the file a document. `sha256`, where given, is compared with what arrived."""
    document = upload_finish(upload=own(request, upload_id), sha256=body.sha256)
    return Status(202, document_detail(user=request.auth, document_id=document.id))


@router.delete("/{upload_id}", response={204: None})
def delete(request: ApiRequest, upload_id: UUID) -> Status[None]:
    upload_delete(upload=own(request, upload_id))
    return Status(204, None)
