"""/exports: files that a worker makes for the caller because they take long; kept for a day."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponseBase
from ninja import Router, Status
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.paging import Pages
from webapp.api.schemas.jobs import ExportOut
from webapp.core.downloads import attachment
from webapp.export.forms import FORMS
from webapp.export.models import Export
from webapp.export.selectors import export_detail, export_list
from webapp.export.services import Wanted, export_delete, export_make

router = Router(tags=["exports"])

_TYPES = [form.content_type.split(";")[0] for form in FORMS.values()]
# JSON is no string of bytes to whoever checks an answer against its schema.
_CONTENT = {type_: {"schema": {} if type_ == "application/json" else {"type": "string", "format": "binary"}} for type_ in _TYPES}
# What an operation that answers with a file says of it.
FILE: dict[str, Any] = {"responses": {200: {"description": "The file.", "content": _CONTENT}}}


def made(request: ApiRequest, wanted: Wanted, form: str, pages: bool) -> HttpResponseBase | Status[Export]:
    """The file, or 202 with the export that a worker makes. Raises ExportRefused."""
    found = export_make(owner=request.auth, wanted=wanted, form=form, pages=pages)
    return found if isinstance(found, HttpResponseBase) else Status(202, found)


@router.get("", response=list[ExportOut])
@paginate(Pages)
def exports(request: ApiRequest) -> QuerySet[Export]:
    """The caller's own, the newest first."""
    return export_list(user=request.auth)


@router.get("/{export_id}", response=ExportOut)
def detail(request: ApiRequest, export_id: UUID) -> Export:
    """How far it is; `file` says where it lies once it is done."""
    return export_detail(user=request.auth, export_id=export_id)


@router.get("/{export_id}/file", openapi_extra=FILE)
def file(request: ApiRequest, export_id: UUID) -> HttpResponseBase:
    """404 until it is done, and again when its day is over."""
    export = export_detail(user=request.auth, export_id=export_id)
    try:
        if export.is_ready:
            return attachment(export.file, export.file_name, FORMS[export.form].content_type)
    except FileNotFoundError as error:
        raise Http404 from error
    raise Http404


@router.delete("/{export_id}", response={204: None})
def delete(request: ApiRequest, export_id: UUID) -> Status[None]:
    """Its file too; what is still being made is stopped."""
    export_delete(export=export_detail(user=request.auth, export_id=export_id))
    return Status(204, None)
