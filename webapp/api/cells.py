"""/cells/ID: one answer of a sweep's table, and what people say of it; and the ready lists of questions."""

from uuid import UUID

from ninja import Router, Status
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.paging import Pages
from webapp.api.schemas.sweeps import CellOut, ReadyListOut, VerdictIn
from webapp.checklist.models import Cell
from webapp.checklist.question_lists import ReadyList, ready_lists
from webapp.checklist.selectors import cell_detail
from webapp.checklist.services import verdict_set
from webapp.library.access import Right

router = Router(tags=["verdicts"])
ready = Router(tags=["sweeps"])


@router.get("/{cell_id}", response=CellOut)
def detail(request: ApiRequest, cell_id: UUID) -> Cell:
    return cell_detail(user=request.auth, cell_id=cell_id, right=Right.READ)


@router.put("/{cell_id}/verdict", response=CellOut)
def judge(request: ApiRequest, cell_id: UUID, body: VerdictIn) -> Cell:
    """In place of what was said before: `judgement`, a `note`, or both; neither takes the verdict back."""
    verdict_set(cell=cell_detail(user=request.auth, cell_id=cell_id), person=request.auth, judgement=body.judgement, note=body.note)
    return cell_detail(user=request.auth, cell_id=cell_id)


@router.delete("/{cell_id}/verdict", response={204: None})
def clear(request: ApiRequest, cell_id: UUID) -> Status[None]:
    """Takes the verdict back, whoever gave it."""
    verdict_set(cell=cell_detail(user=request.auth, cell_id=cell_id), person=request.auth, judgement="", note="")
    return Status(204, None)


@ready.get("", response=list[ReadyListOut])
@paginate(Pages)
def lists(request: ApiRequest) -> list[ReadyList]:  # noqa: ARG001
    """Questions that ship with Longread. Put them to a collection as they are with `ready`, or take them as a beginning."""
    return list(ready_lists())
