"""What the API takes and gives. Fields are the rows' own under the same names, so that the pages and the API use the same words."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Field, Query, Schema

from webapp.api.parts import PART_BYTES
from webapp.ask.models import Conversation, Question
from webapp.checklist.models import Cell, Sweep, Verdict
from webapp.checklist.question_lists import ReadyList
from webapp.checklist.selectors import coverage
from webapp.export.models import Export
from webapp.jobs.models import Job
from webapp.library.models import Document

# How many seconds a request may wait for the end of an answer.
Wait = Annotated[int, Query(ge=0, le=60)]
DocumentOrder = Literal["name", "newest", "state", "size", "tokens"]

# PostgreSQL keeps no NUL in a text.
NO_NUL = r"^[^\x00]*$"
# What an id looks like, for examples.
SOME_ID = "0d5c1f5e-6f5b-4c0a-9f0e-2b9b1f0f4a11"


class CollectionIn(Schema):
    name: str = Field(..., pattern=NO_NUL, examples=["Contracts"])


class CollectionOut(Schema):
    id: UUID
    name: str
    created_at: datetime


class CollectionPatch(Schema):
    name: str = Field(..., pattern=NO_NUL, examples=["Leases"])


class MemberIn(Schema):
    """`username`: the name with which the person signs in."""

    username: str = Field(..., pattern=NO_NUL, min_length=1, max_length=150, examples=["bob"])
    may_change: bool = Field(False, examples=[False])


class MemberPatch(Schema):
    may_change: bool = Field(..., examples=[True])


class MemberOut(Schema):
    """Reads and asks; with `may_change` also adds and deletes documents, and sweeps."""

    id: UUID
    username: str = Field(..., alias="user.username")
    may_change: bool
    created_at: datetime


class DocumentPatch(Schema):
    """What is to change: its name, the collection that it is in (another one of the same owner), or both."""

    name: str | None = Field(None, pattern=NO_NUL, examples=["lease 2026.txt"])
    collection: UUID | None = Field(None, examples=[SOME_ID])


class HoldingsOut(Schema):
    """What deleting would take away: `files` with `file_bytes`, the original among them. Of the stored state `store_bytes` are kept for it,
    `freed_bytes` of them for nothing else."""

    files: int
    file_bytes: int
    store_bytes: int
    freed_bytes: int


class PartialIn(Schema):
    name: str = Field(..., pattern=NO_NUL, min_length=1, max_length=255, examples=["lease.txt"])
    size_bytes: int = Field(..., ge=1, le=2**53, examples=[57])


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

    sha256: str = Field("", pattern="^([0-9a-fA-F]{64})?$", examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"])


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
    sha256: str
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
    """`follows`: a question of the same collection that this one leads on from. `only`: the documents, or archives with all their files,
    that are asked; all where it is empty. `left_out`: those that are not."""

    question: str = Field(..., pattern=NO_NUL, examples=["How much notice is needed to terminate?"])
    follows: UUID | None = Field(None, examples=[None])
    only: list[UUID] = Field([], examples=[[SOME_ID]])
    left_out: list[UUID] = Field([], examples=[[]])


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


class ConversationOut(Schema):
    """`title` is '' where nobody gave it one; then `words`, its first question, stand for it."""

    id: UUID
    collection: UUID = Field(..., alias="collection_id")
    title: str
    words: str
    questions: list[UUID]
    created_at: datetime

    @staticmethod
    def resolve_words(conversation: Conversation) -> str:
        return next((question.text for question in conversation.questions.all()), "")

    @staticmethod
    def resolve_questions(conversation: Conversation) -> list[UUID]:
        """From prefetched ones, in the order in which they were asked."""
        return [question.id for question in conversation.questions.all()]


class ConversationRecord(Schema):
    id: UUID
    collection: UUID
    title: str
    words: str
    created_at: datetime
    turns: list[QuestionRecord]


class ConversationPatch(Schema):
    title: str = Field(..., pattern=NO_NUL, max_length=200, examples=["Notice periods"])


class LinkIn(Schema):
    """After how many days it expires."""

    days: Literal[1, 7, 30] = Field(7, examples=[7])


class LinkOut(Schema):
    """`prefix` begins its address, to tell one from another; `opened_at` is when it was last opened."""

    id: UUID
    prefix: str
    created_at: datetime
    expires_at: datetime
    opened_at: datetime | None


class LinkMade(LinkOut):
    url: str


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


class ExportOut(Schema):
    """A file that a worker makes: `state` is that of its job; `file` is where it lies once it is done, until `expires_at`."""

    id: UUID
    collection: UUID = Field(..., alias="collection_id")
    source: str
    source_id: UUID
    title: str
    name: str = Field(..., alias="file_name")
    form: str
    pages: bool
    job: UUID = Field(..., alias="job_id")
    state: str = Field(..., alias="job.state")
    error: str = Field(..., alias="job.error")
    size_bytes: int
    created_at: datetime
    expires_at: datetime | None
    progress: ProgressOut | None = None
    file: str | None = None

    @staticmethod
    def resolve_progress(export: Export) -> ProgressOut | None:
        return None if export.job.has_ended else ProgressOut.of(export.job)

    @staticmethod
    def resolve_file(export: Export) -> str | None:
        return f"/api/v1/exports/{export.id}/file" if export.is_ready else None
