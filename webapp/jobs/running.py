"""Runs the work of one job: claims it, keeps it alive, reports, and ends it one way or another.

Knows nothing of what the work is: it is a function of the job and a Report.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from django.db import connection

from engine.errors import EngineError
from ingest.errors import IngestError
from ingest.progress import Progress, Report
from webapp.jobs.models import Job
from webapp.jobs.services import job_beat, job_claim, job_fail, job_finish, job_yield

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 4


class Outcome(Enum):
    """What the work says at its end: all done, or more to do after others have had their turn."""

    DONE = "done"
    MORE = "more"


class JobTaken(Exception):
    """The job was cancelled, or another worker has it now: stop, and change nothing more."""


Work = Callable[[Job, Report], Outcome]


def run_job(job_id: str, worker: str, work: Work) -> None:
    """Claims the job and does its work. Every way out leaves the row in a state that says what happened."""
    job = job_claim(job_id=job_id, worker=worker)
    if job is None:
        logger.info("Job %s is not waiting any more.", job_id)
        return
    try:
        with _alive(job):
            outcome = work(job, _report(job))
    except JobTaken:
        logger.info("Job %s was taken away.", job_id)
    except (IngestError, EngineError) as error:
        job_fail(job=job, error=str(error))
    except Exception as error:
        logger.exception("Job %s broke.", job_id)
        reason = f"Longread failed on this ({type(error).__name__}). Try again; if it stays, the operator finds the details under Jobs."
        job_fail(job=job, error=reason, traceback=traceback.format_exc())
    else:
        job_yield(job=job) if outcome is Outcome.MORE else job_finish(job=job)


def _report(job: Job) -> Report:
    def report(progress: Progress, /) -> None:
        if not job_beat(job=job, progress=progress):
            raise JobTaken

    return report


@contextmanager
def _alive(job: Job) -> Iterator[None]:
    """A thread that beats for the job: one page or one piece of a prefill can take longer than the watchdog's patience."""
    ended = threading.Event()

    def beat() -> None:
        try:
            while not ended.wait(HEARTBEAT_SECONDS):
                job_beat(job=job)
        finally:
            connection.close()

    thread = threading.Thread(target=beat, daemon=True, name=f"beat-{job.id}")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
