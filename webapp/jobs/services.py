"""Every change of a job's state, each a compare-and-set: of two that try, one wins and the other learns that it lost.

So a message may be delivered twice, a worker may come back from the dead, and a person may cancel at any moment, without harm.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.dispatch import Signal
from django.utils import timezone
from kombu.exceptions import OperationalError

from ingest.progress import Progress
from webapp.accounts.models import User
from webapp.celery import app
from webapp.jobs.lives import life_leave
from webapp.jobs.models import ENDED, Job, JobKind, JobState
from webapp.jobs.queues import queue_depths
from webapp.jobs.routes import ROUTES
from webapp.jobs.signals import job_broke, job_restarted
from webapp.library.models import Document

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
# A message that nobody has taken after this long, from a queue that is empty, is lost.
LOST_SECONDS = 30


def job_create(*, owner: User, kind: JobKind, label: str, document: Document | None = None) -> Job:
    """A queued job whose message is sent when the transaction commits."""
    job = Job.objects.create(owner=owner, kind=kind, label=label[:255], document=document)
    job_send(job=job)
    return job


def jobs_create(*, owner: User, kind: JobKind, documents: Sequence[Document]) -> None:
    """One queued job a document, all at once, labelled with its path."""
    jobs = [Job(owner=owner, kind=kind, label=document.path[:255], document=document) for document in documents]
    Job.objects.bulk_create(jobs, batch_size=500)
    transaction.on_commit(partial(_send_all, jobs))


def job_send(*, job: Job) -> None:
    """Sends the job's message on commit. Where the broker is down the job stays queued, and the watchdog sends it later."""
    transaction.on_commit(partial(_send, job))


def _send(job: Job) -> None:
    _send_all([job])


def _send_all(jobs: Sequence[Job]) -> None:
    sent = []
    try:
        for job in jobs:
            route = ROUTES[JobKind(job.kind)]
            app.send_task(route.task, args=[str(job.id)], queue=route.queue, priority=route.priority, retry=False)
            sent.append(job.id)
    except OperationalError:
        logger.exception("The broker took no message for job %s; it will be sent again.", jobs[len(sent)].id)
    Job.objects.filter(id__in=sent).update(sent_at=timezone.now())


def job_claim(*, job_id: str, worker: str) -> Job | None:
    """The job, now running in this worker, or None if it is not waiting (taken, ended, or deleted meanwhile)."""
    now = timezone.now()
    job = Job.objects.filter(id=job_id, state=JobState.QUEUED).select_related("document", "owner").first()
    if job is None:
        return None
    changed = Job.objects.filter(id=job_id, state=JobState.QUEUED, attempt=job.attempt).update(
        state=JobState.RUNNING, worker=worker, attempt=job.attempt + 1, started_at=job.started_at or now, heartbeat_at=now
    )
    if not changed:
        return None
    job.refresh_from_db(fields=["state", "worker", "attempt", "started_at", "heartbeat_at"])
    return job


def job_beat(*, job: Job, progress: Progress | None = None) -> bool:
    """Says that the job is alive, and how far it is; `job` then knows its stage. False: it is no longer this attempt's (cancelled, or given
    to another worker)."""
    now = timezone.now()
    fields: dict[str, Any] = {"heartbeat_at": now}
    if progress is not None:
        fields |= {"stage": progress.stage, "done": progress.done, "total": progress.total, "unit": progress.unit}
        if progress.stage != job.stage or job.stage_at is None:
            job.stage, job.stage_at = progress.stage, now
            fields["stage_at"] = now
    return bool(_running(job).update(**fields))


def job_finish(*, job: Job) -> bool:
    return bool(_running(job).update(state=JobState.DONE, ended_at=timezone.now(), error="", traceback=""))


def job_yield(*, job: Job) -> bool:
    """Puts a job that has more to do back at the end of its queue, so that others have their turn. Not a failed attempt."""
    yielded = _running(job).update(state=JobState.QUEUED, attempt=0, queued_at=timezone.now(), sent_at=None)
    if yielded:
        job_send(job=job)
    return bool(yielded)


def job_fail(*, job: Job, error: str, traceback: str = "") -> bool:
    """Ends this attempt's job for good, with a reason for the owner and a traceback for the operator."""
    failed = _running(job).update(state=JobState.FAILED, ended_at=timezone.now(), error=error, traceback=traceback)
    if failed:
        _tell(job, job_broke)
    return bool(failed)


def job_cancel(*, job: Job) -> bool:
    """Stops a queued or running job; a running one notices at its next report."""
    cancelled = (
        Job.objects.filter(id=job.id).exclude(state__in=ENDED).update(state=JobState.CANCELLED, ended_at=timezone.now(), error="Cancelled.")
    )
    if cancelled:
        _tell(job, job_broke)
    return bool(cancelled)


def job_retry(*, job: Job) -> bool:
    """Queues a failed or cancelled job again, with all its attempts."""
    retried = Job.objects.filter(id=job.id, state__in=(JobState.FAILED, JobState.CANCELLED)).update(
        state=JobState.QUEUED,
        attempt=0,
        done=0,
        total=0,
        stage="",
        stage_at=None,
        error="",
        traceback="",
        queued_at=timezone.now(),
        started_at=None,
        ended_at=None,
        sent_at=None,
    )
    if retried:
        _tell(job, job_restarted)
        job_send(job=job)
    return bool(retried)


def jobs_keep(ids: list[str]) -> None:
    """Says that the messages of these queued jobs are not lost: they wait in a worker for their turn."""
    Job.objects.filter(id__in=ids, state=JobState.QUEUED).update(sent_at=timezone.now())


def jobs_recover() -> int:
    """Gives the jobs of dead workers, and those whose message was lost, another attempt or an honest end. Returns how many."""
    return _recover_silent() + _recover_lost()


def _recover_silent() -> int:
    silent = Job.objects.filter(
        state=JobState.RUNNING, heartbeat_at__lt=timezone.now() - timedelta(seconds=settings.LONGREAD_SILENCE_SECONDS)
    )
    return sum(_recover(job) for job in silent.select_related("document"))


def _recover(job: Job) -> bool:
    """`heartbeat_at` is part of the comparison: a worker that was only slow keeps its job."""
    where = f" at {job.stage}, {job.done} of {job.total} {job.unit}" if job.total else ""
    still = _running(job).filter(heartbeat_at=job.heartbeat_at)
    if job.attempt >= MOST_ATTEMPTS:
        reason = f"The worker stopped {job.attempt} times{where}. The file may be too much for this machine; try again, or split it."
        failed = still.update(state=JobState.FAILED, ended_at=timezone.now(), error=reason)
        if failed:
            life_leave(job=job, became=f"failed: the worker had stopped {job.attempt} times")
            _tell(job, job_broke)
        return bool(failed)
    logger.warning("The worker %s stopped%s; job %s is queued again.", job.worker, where, job.id)
    queued = still.update(state=JobState.QUEUED, queued_at=timezone.now(), sent_at=None)
    if queued:
        life_leave(job=job, became="queued again")
        job_send(job=job)
    return bool(queued)


def _recover_lost() -> int:
    """The broker keeps nothing over a restart, and a message that a killed worker had reserved is gone from its queue."""
    old = timezone.now() - timedelta(seconds=LOST_SECONDS)
    waiting = Job.objects.filter(state=JobState.QUEUED).filter(Q(sent_at__lt=old) | Q(sent_at__isnull=True, updated_at__lt=old))
    if not waiting.exists():
        return 0
    empty = {queue for queue, depth in queue_depths().items() if depth == 0}
    lost = [job for job in waiting if ROUTES[JobKind(job.kind)].queue in empty]
    for job in lost:
        job_send(job=job)
    return len(lost)


def _running(job: Job) -> QuerySet[Job]:
    """This attempt of the job, as long as it is this worker's to change."""
    return Job.objects.filter(id=job.id, state=JobState.RUNNING, attempt=job.attempt)


def _tell(job: Job, signal: Signal) -> None:
    def send() -> None:
        job.refresh_from_db()
        signal.send(sender=Job, job=job)

    transaction.on_commit(send)
