"""Celery's side of reading documents. Thin: the work is in webapp.upload.pipeline."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from engine.access import get_engine
from ingest.progress import Report
from webapp.celery import app
from webapp.core.model_files import model_folder
from webapp.jobs.models import Job
from webapp.jobs.running import Outcome, run_job
from webapp.upload import pipeline


@app.task(name="upload.parse_document", bind=True)
def parse_document(self: Any, job_id: str) -> None:
    run_job(job_id, self.request.hostname, pipeline.parse_document)


@app.task(name="upload.prefill_document", bind=True)
def prefill_document(self: Any, job_id: str) -> None:
    run_job(job_id, self.request.hostname, _prefill)


def _prefill(job: Job, report: Report) -> Outcome:
    engine = get_engine(model_folder(), settings.LONGREAD_STORE, settings.LONGREAD_STORE_BYTES)
    return pipeline.prefill_document(job, report, engine)
