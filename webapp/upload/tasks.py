"""Celery's side of reading documents. Thin: the work is in webapp.upload.pipeline."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.conf import settings
from kombu.exceptions import OperationalError

from engine.access import get_engine
from ingest.progress import Report
from webapp.celery import app
from webapp.core.lane import Lane
from webapp.core.model_files import model_folder
from webapp.jobs.models import Job
from webapp.jobs.running import Outcome, run_job
from webapp.jobs.services import jobs_keep
from webapp.upload import drawing, pipeline

# Documents are read ahead one slice at a time, in a thread that no question needs.
_reading = Lane("reading ahead", keep=jobs_keep)


@app.task(name="upload.parse_document", bind=True)
def parse_document(self: Any, job_id: str) -> None:
    run_job(job_id, self.request.hostname, pipeline.parse_document)
    if document_id := drawing.drawn_of(job_id):
        _draw_later(document_id, 1)


@app.task(name="upload.draw_pages")
def draw_pages(document_id: str, first: int) -> None:
    following = drawing.draw_pages(document_id, first)
    if following is not None:
        _draw_later(document_id, following)


def _draw_later(document_id: str, first: int) -> None:
    """After all that people wait for: some pages at a time, at the queue's end."""
    with suppress(OperationalError):
        draw_pages.apply_async((document_id, first), queue="ingest", priority=9, retry=False)


@app.task(name="upload.prefill_document", bind=True)
def prefill_document(self: Any, job_id: str) -> None:
    worker = self.request.hostname
    _reading.put(job_id, lambda: run_job(job_id, worker, _prefill))


def _prefill(job: Job, report: Report) -> Outcome:
    engine = get_engine(model_folder(), settings.LONGREAD_STORE, settings.LONGREAD_STORE_BYTES)
    return pipeline.prefill_document(job, report, engine)
