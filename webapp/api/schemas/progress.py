"""What the API says of how far something is, and of what went wrong."""

from __future__ import annotations

from uuid import UUID

from ninja import Schema

from webapp.jobs.models import Job
from webapp.jobs.selectors import job_progress


class ErrorOut(Schema):
    """What is wrong and what to do, in a sentence."""

    error: str


class ProgressOut(Schema):
    """How far a job is: `done` of `total` `unit`s in this `stage`; `total` is 0 while it is unknown. `per_second` is the rate
    since the stage began, and `seconds_left` what follows from it; null while they cannot be told."""

    job: UUID
    stage: str
    done: int
    total: int
    unit: str
    per_second: float | None
    seconds_left: float | None

    @staticmethod
    def of(job: Job) -> ProgressOut:
        progress = job_progress(job)
        left = {"per_second": progress.per_second, "seconds_left": progress.seconds_left}
        return ProgressOut(job=job.id, stage=job.stage, done=job.done, total=job.total, unit=job.unit, **left)
