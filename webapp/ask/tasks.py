"""Celery's side of answering. Thin: the work is in webapp.ask.answering."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from engine.access import get_engine
from ingest.progress import Report
from webapp.ask import answering
from webapp.celery import app
from webapp.core.model_files import model_folder
from webapp.jobs.models import Job
from webapp.jobs.running import Outcome, run_job


@app.task(name="ask.answer_question", bind=True)
def answer_question(self: Any, job_id: str) -> None:
    run_job(job_id, self.request.hostname, _answer)


def _answer(job: Job, report: Report) -> Outcome:
    engine = get_engine(model_folder(), settings.LONGREAD_STORE, settings.LONGREAD_STORE_BYTES)
    return answering.answer(job, report, engine)
