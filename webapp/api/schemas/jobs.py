"""What the API gives of jobs, and of the files that they make."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ninja import Field, Schema

from webapp.api.schemas.progress import ProgressOut
from webapp.export.models import Export


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
