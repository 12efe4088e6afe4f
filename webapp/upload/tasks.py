"""Celery's side of reading documents. Thin: the work is in webapp.upload.pipeline."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from engine.access import get_engine
from ingest.progress import Report
from webapp.celery import app
from webapp.core.lane import Lane
from webapp.core.model_files import model_folder
from webapp.jobs.models import Job
from webapp.jobs.running import Outcome, run_job
from webapp.jobs.services import jobs_keep
from webapp.upload import pipeline

# Documents are read ahead one slice at a time, in a thread that no question needs.
_reading = Lane("reading ahead", keep=jobs_keep)


@app.task(name="upload.parse_document", bind=True)
def parse_document(self: Any, job_id: str) -> None:
    run_job(job_id, self.request.hostname, pipeline.parse_document)


@app.task(name="upload.prefill_document", bind=True)
def prefill_document(self: Any, job_id: str) -> None:
    worker = self.request.hostname
    _reading.put(job_id, lambda: run_job(job_id, worker, _prefill))


def _prefill(job: Job, report: Report) -> Outcome:
    engine = get_engine(model_folder(), settings.LONGREAD_STORE, settings.LONGREAD_STORE_BYTES)
    return pipeline.prefill_document(job, report, engine)
