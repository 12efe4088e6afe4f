"""What the API takes and gives. Fields are the rows' own under the same names, so that the pages and the API use the same words."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Field, Query, Schema

from webapp.api.parts import PART_BYTES
from webapp.ask.models import Question
from webapp.checklist.models import Sweep
from webapp.checklist.selectors import coverage
from webapp.jobs.models import Job
from webapp.library.models import Document

# How many seconds a request may wait for the end of an answer.
Wait = Annotated[int, Query(ge=0, le=60)]
DocumentOrder = Literal["name", "newest", "state", "size", "tokens"]

# PostgreSQL keeps no NUL in a text.
NO_NUL = r"^[^\x00]*$"


class CollectionIn(Schema):
    name: str = Field(..., pattern=NO_NUL)


class CollectionOut(Schema):
    id: UUID
    name: str
    created_at: datetime


class CollectionPatch(Schema):
    name: str = Field(..., pattern=NO_NUL)


class DocumentPatch(Schema):
    """What is to change: its name, the collection that it is in (another one of the same owner), or both."""

    name: str | None = Field(None, pattern=NO_NUL)
    collection: UUID | None = None


class PartialIn(Schema):
    name: str = Field(..., pattern=NO_NUL, min_length=1, max_length=255)
    size_bytes: int = Field(..., ge=1, le=2**53)


class PartialOut(Schema):
    """A file that comes in parts: `offset` of `size_bytes` are here; a part has at most `part_bytes`."""

    id: UUID
    collection: UUID = Field(..., alias="collection_id")
    name: str
    size_bytes: int
    offset: int
    part_bytes: int = PART_BYTES
    created_at: datetime


class FinishIn(Schema):
    """`sha256` in hexadecimal digits, or nothing."""

    sha256: str = Field("", pattern="^([0-9a-fA-F]{64})?$")


class ErrorOut(Schema):
    """What is wrong and what to do, in a sentence."""

    error: str


class ProgressOut(Schema):
    """How far a job is: `done` of `total` `unit`s; `total` is 0 while it is unknown."""

    job: UUID
    stage: str
    done: int
    total: int
    unit: str

    @staticmethod
    def of(job: Job) -> ProgressOut:
        return ProgressOut(job=job.id, stage=job.stage, done=job.done, total=job.total, unit=job.unit)


class DocumentOut(Schema):
    """`progress` is there while a job works on the document or waits for a worker."""

    id: UUID
    collection: UUID = Field(..., alias="collection_id")
    archive: UUID | None = Field(None, alias="archive_id")
    name: str
    path: str
    kind: str
    state: str
    is_archive: bool
    is_askable: bool
    error: str
    notes: list[str]
    size_bytes: int
    page_count: int
    line_count: int
    token_count: int
    indexed_token_count: int
    stored_token_count: int
    created_at: datetime
    progress: ProgressOut | None = None

    @staticmethod
    def resolve_progress(document: Document) -> ProgressOut | None:
        """From prefetched jobs, newest first."""
        return next((ProgressOut.of(job) for job in document.jobs.all() if not job.has_ended), None)


class FileOut(Schema):
    """What became of one uploaded file: a document, or the reason why not."""

    name: str
    document: DocumentOut | None
    reason: str


class UploadOut(Schema):
    files: list[FileOut]


class JobOut(Schema):
    id: UUID
    document: UUID | None = Field(None, alias="document_id")
    kind: str
    label: str
    state: str
    stage: str
    done: int
    total: int
    unit: str
    attempt: int
    error: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class QuestionIn(Schema):
    """`follows`: a question of the same collection that this one leads on from. `left_out`: documents, or archives with all their files,
    that are not asked."""

    question: str = Field(..., pattern=NO_NUL)
    follows: UUID | None = None
    left_out: list[UUID] = []


class AskedOut(Schema):
    """The ids to follow the answer with."""

    id: UUID
    job: UUID | None
    state: str

    @staticmethod
    def of(question: Question) -> AskedOut:
        return AskedOut(id=question.id, job=question.answer.job_id, state=question.answer.state)


class QuestionOut(Schema):
    """A question in a list; the whole answer with its citations is at /questions/ID."""

    id: UUID
    collection: UUID = Field(..., alias="collection_id")
    question: str = Field(..., alias="text")
    state: str = Field(..., alias="answer.state")
    found: bool = Field(..., alias="answer.found")
    answer: str = Field(..., alias="answer.text")
    asked_at: datetime = Field(..., alias="created_at")


class AnswerRecord(Schema):
    """The object that `./run ask --json` prints."""

    answer: str
    found: bool
    confidence: float
    citations: list[dict[str, Any]]
    located: list[dict[str, Any]]
    model: str
    mode: str
    usage: dict[str, Any]
    timings: dict[str, float]


class LeftOut(Schema):
    document: UUID
    path: str


class QuestionRecord(Schema):
    """`asked_as`: what the engine was asked in the end, where a follow-up borrowed words of the question that it `follows`."""

    id: UUID
    collection: UUID
    conversation: UUID | None
    follows: UUID | None
    question: str
    asked_as: str
    left_out: list[LeftOut]
    asked_at: datetime
    state: str
    error: str
    prompt_hash: str
    answer: AnswerRecord


class SweepIn(Schema):
    questions: list[Annotated[str, Field(pattern=NO_NUL)]]


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


class CellOut(Schema):
    """The answer to question number `question`, from 0, over one document alone; `error` says why there is none."""

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
