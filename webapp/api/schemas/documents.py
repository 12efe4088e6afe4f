"""What the API takes and gives of documents and of the files that become them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from ninja import Field, Schema

from webapp.api.parts import PART_BYTES
from webapp.api.schemas.fields import NO_NUL, SOME_ID
from webapp.api.schemas.progress import ProgressOut
from webapp.library.models import Document

DocumentOrder = Literal["name", "newest", "state", "size", "tokens"]


class DocumentPatch(Schema):
    """What is to change: its name, the collection that it is in (another one of the same owner), or both."""

    name: str | None = Field(None, pattern=NO_NUL, examples=["lease 2026.txt"])
    collection: UUID | None = Field(None, examples=[SOME_ID])


class UnlockIn(Schema):
    password: str = Field(..., pattern=NO_NUL, min_length=1, max_length=500, examples=["correct horse battery"])


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
    git_url: str
    git_commit: str
    skipped_count: int
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
    """What became of one uploaded file: a document, or the reason why not. `is_unchanged`: it was meant to replace that document and is the
    same, byte for byte."""

    name: str
    document: DocumentOut | None
    reason: str
    is_unchanged: bool


class RepositoryIn(Schema):
    """`address` begins with https://."""

    address: str = Field(..., max_length=500, examples=["https://github.com/owner/name"])


class SkippedOut(Schema):
    """A file of an archive that was left out. `reason` is one of a few words, `why` a part of a sentence."""

    path: str
    reason: str
    why: str


class UploadOut(Schema):
    files: list[FileOut]
