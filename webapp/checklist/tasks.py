"""Celery's side of sweeps. Thin: the work is in webapp.checklist.sweeping."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from engine.access import get_engine
from ingest.progress import Report
from webapp.celery import app
from webapp.checklist import sweeping
from webapp.core.lane import Lane
from webapp.core.model_files import model_folder
from webapp.jobs.models import Job
from webapp.jobs.running import Outcome, run_job
from webapp.jobs.services import jobs_keep

# One slice of one sweep at a time, in a thread that no question needs.
_sweeps = Lane("sweeps", keep=jobs_keep)


@app.task(name="checklist.ask_documents", bind=True)
def ask_documents(self: Any, job_id: str) -> None:
    worker = self.request.hostname
    _sweeps.put(job_id, lambda: run_job(job_id, worker, _sweep))


def _sweep(job: Job, report: Report) -> Outcome:
    engine = get_engine(model_folder(), settings.LONGREAD_STORE, settings.LONGREAD_STORE_BYTES)
    return sweeping.sweep(job, report, engine)
