"""What the API takes and gives of sweeps, their cells, and what people say of these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Field, Schema

from webapp.api.schemas.fields import NO_NUL
from webapp.checklist.models import Cell, Sweep, Verdict
from webapp.checklist.question_lists import ReadyList
from webapp.checklist.selectors import coverage


class ReadyListOut(Schema):
    """`key` names it in `ready` of a new sweep."""

    key: str
    name: str
    questions: list[str]

    @staticmethod
    def resolve_name(ready: ReadyList) -> str:
        return str(ready.name)


class SweepIn(Schema):
    """`ready`: the key of a ready list, whose questions come first."""

    questions: list[Annotated[str, Field(pattern=NO_NUL)]] = Field([], examples=[["Which law governs?"]])
    ready: Literal["contracts", "repositories"] | None = Field(None, examples=["contracts"])


class SweepOut(Schema):
    """A sweep in a list; what it covers is at /sweeps/ID."""

    id: UUID
    collection: UUID = Field(..., alias="checklist.collection_id")
    questions: list[str] = Field(..., alias="checklist.questions")
    state: str
    error: str
    job: UUID | None = Field(None, alias="job_id")
    created_at: datetime


class MissingOut(Schema):
    path: str
    reason: str


class CoverageOut(Schema):
    """A document counts when all its questions are answered. `line` is the same in words."""

    line: str
    documents: int
    documents_of: int
    tokens: int
    tokens_of: int
    cells: int
    cells_of: int
    found: int
    left_out: list[MissingOut]
    failed: list[MissingOut]


class SweepRecord(SweepOut):
    model: str
    mode: str
    coverage: CoverageOut

    @staticmethod
    def resolve_coverage(sweep: Sweep) -> CoverageOut:
        return CoverageOut.from_orm(coverage(sweep=sweep))


class VerdictIn(Schema):
    judgement: Literal["confirmed", "wrong", ""] = Field("", examples=["confirmed"])
    note: str = Field("", pattern=NO_NUL, max_length=2000, examples=["Clause 9.2."])


class VerdictOut(Schema):
    """What somebody said of an answer. `by` is null where their account is gone."""

    judgement: str
    note: str
    by: str | None
    at: datetime

    @staticmethod
    def of(verdict: Verdict) -> VerdictOut:
        by = verdict.person.get_username() if verdict.person else None
        return VerdictOut(judgement=verdict.judgement, note=verdict.note, by=by, at=verdict.updated_at)


class CellOut(Schema):
    """The answer to question number `question`, from 0, over one document alone; `error` says why there is none."""

    id: UUID
    document: UUID | None = Field(None, alias="document.document_id")
    path: str = Field(..., alias="document.path")
    question: int
    answer: str
    found: bool
    confidence: float
    citations: list[dict[str, Any]]
    nearest: dict[str, Any]
    read_tokens: int
    error: str
    verdict: VerdictOut | None = None

    @staticmethod
    def resolve_verdict(cell: Cell) -> VerdictOut | None:
        verdict: Verdict | None = getattr(cell, "verdict", None)
        return VerdictOut.of(verdict) if verdict else None
