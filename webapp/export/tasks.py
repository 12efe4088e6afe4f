"""Celery's side of exports. Thin: the work is in webapp.export.services."""

from __future__ import annotations

from typing import Any

from webapp.celery import app
from webapp.export.services import export_write
from webapp.jobs.running import run_job


@app.task(name="export.write_file", bind=True)
def write_file(self: Any, job_id: str) -> None:
    run_job(job_id, self.request.hostname, export_write)
