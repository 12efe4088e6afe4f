"""/sweeps: the same questions to every document of a collection, how far that is, its answers, and its table as a file."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from ninja import Router, Status
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.exports import FILE, made
from webapp.api.paging import Pages
from webapp.api.schemas.jobs import ExportOut
from webapp.api.schemas.sweeps import CellOut, SweepOut, SweepRecord
from webapp.checklist.models import Cell, Sweep
from webapp.checklist.selectors import cell_list, sweep_detail, sweeps_of
from webapp.checklist.services import sweep_continue, sweep_stop
from webapp.export.forms import FormName
from webapp.export.models import Source
from webapp.export.services import Wanted
from webapp.export.sweeps import taken_sweep
from webapp.library.access import Right

router = Router(tags=["sweeps"])


@router.get("", response=list[SweepOut])
@paginate(Pages)
def sweeps(request: ApiRequest) -> QuerySet[Sweep]:
    return sweeps_of(user=request.auth)


@router.get("/{sweep_id}", response=SweepRecord)
def detail(request: ApiRequest, sweep_id: UUID) -> Sweep:
    """How far it is, what it covers, and which documents it left out and why."""
    return sweep_detail(user=request.auth, sweep_id=sweep_id)


@router.get("/{sweep_id}/cells", response=list[CellOut])
@paginate(Pages)
def cells(request: ApiRequest, sweep_id: UUID) -> QuerySet[Cell]:
    """The answers so far, by document and question."""
    return cell_list(sweep=sweep_detail(user=request.auth, sweep_id=sweep_id))


@router.post("/{sweep_id}/stop", response={202: SweepRecord})
def stop(request: ApiRequest, sweep_id: UUID) -> Status[Sweep]:
    """Stops the engine at its next turn; what has been answered stays. A sweep that has ended stays as it is."""
    sweep_stop(sweep=sweep_detail(user=request.auth, sweep_id=sweep_id, right=Right.CHANGE))
    return Status(202, sweep_detail(user=request.auth, sweep_id=sweep_id))


@router.post("/{sweep_id}/continue", response={202: SweepRecord})
def go_on(request: ApiRequest, sweep_id: UUID) -> Status[Sweep]:
    """Asks what a sweep that has ended left open: what it did not come to, what failed, what can be asked only now."""
    sweep_continue(sweep=sweep_detail(user=request.auth, sweep_id=sweep_id, right=Right.CHANGE))
    return Status(202, sweep_detail(user=request.auth, sweep_id=sweep_id))


@router.get("/{sweep_id}/export.{form}", response={202: ExportOut}, openapi_extra=FILE)
def export(request: ApiRequest, sweep_id: UUID, form: FormName, pages: bool = False) -> Any:
    """The table as a file: as a sheet, a line a document, and of each question the answer, its place and its quote; as a paper, a part a
    document, with `pages` the cited pages as figures.

    What takes long is made by a worker (202): look at /exports/ID until its `file` is there."""
    sweep = sweep_detail(user=request.auth, sweep_id=sweep_id)
    return made(request, Wanted(Source.SWEEP, sweep.id, sweep.checklist.collection, taken_sweep(sweep)), form, pages)
