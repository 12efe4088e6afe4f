"""Why a document is not ready: what an operator would find out from its state, its job, its queue and the workers, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Case, IntegerField, Q, QuerySet, When
from django.utils import timezone
from django.utils.translation import gettext

from webapp.core.templatetags.words import age, counted, counted_of, said
from webapp.jobs.lives import WorkerInfo
from webapp.jobs.models import ENDED, Job, JobKind, JobState
from webapp.jobs.routes import ROUTES
from webapp.library.models import ASKABLE, Document, DocumentState

SHOWN = 30
# Those that cannot be asked are looked for first.
_URGENCY = Case(
    When(state=DocumentState.FAILED, then=0),
    When(state__in=(DocumentState.UPLOADED, DocumentState.PARSING), then=1),
    default=2,
    output_field=IntegerField(),
)


@dataclass(frozen=True, slots=True)
class NotReady:
    """`job` is the one that works on the document or waits to, else its newest; `reason` says why it is not ready, and what helps."""

    document: Document
    job: Job | None
    reason: str
    can_retry: bool


def documents_not_ready(words: str = "") -> QuerySet[Document]:
    """Those that cannot be asked come first; `words` stand in the document's path, its collection's or its owner's name."""
    waiting = Document.objects.exclude(state=DocumentState.READY).select_related("collection__owner")
    if words:
        waiting = waiting.filter(
            Q(path__icontains=words) | Q(collection__name__icontains=words) | Q(collection__owner__username__icontains=words)
        )
    return waiting.order_by(_URGENCY, "created_at")


def not_ready(workers: Sequence[WorkerInfo], words: str = "") -> list[NotReady]:
    documents = list(documents_not_ready(words)[:SHOWN])
    newest: dict[object, Job] = {}
    for job in sorted(Job.objects.filter(document__in=documents), key=lambda job: (not job.has_ended, job.created_at)):
        newest[job.document_id] = job
    living = {queue for worker in workers if worker.is_alive for queue in worker.queue.split(",")}
    return [_explained(document, newest.get(document.id), living) for document in documents]


def _explained(document: Document, job: Job | None, living: set[str]) -> NotReady:
    can_retry = job is not None and job.state in (JobState.FAILED, JobState.CANCELLED)
    return NotReady(document, job, _reason(document, job, living), can_retry)


def _reason(document: Document, job: Job | None, living: set[str]) -> str:
    if job is None:
        return document.error or gettext("No job works on it. Its owner can read it again from its collection.")
    if job.state == JobState.RUNNING:
        return _running(job)
    if job.state == JobState.QUEUED:
        return _queued(job, living)
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        ended = f"{JobKind(job.kind).label} {job.get_state_display()}: {document.error or job.error}"
        return f"{ended} {gettext('It can be asked all the same.')}" if document.state in ASKABLE else ended
    if document.state in ASKABLE:
        return gettext(
            "It can be asked. The store has no room for the rest of its state, which is read when a question needs it: give the store more."
        )
    return document.error or gettext("Its last job is done and it is not ready. Try it again.")


def _running(job: Job) -> str:
    silent = timezone.now() - timedelta(seconds=settings.LONGREAD_SILENCE_SECONDS)
    if job.heartbeat_at and job.heartbeat_at < silent:
        silence = gettext("{worker} was working on it and has not been heard for {time}. Any living worker takes it over.")
        return silence.format(worker=job.worker, time=age(job.heartbeat_at))
    done = f", {counted_of(job.done, job.total)} {said(job.unit)}" if job.unit else ""
    stage = said(job.stage) or str(JobKind(job.kind).label).lower()
    return gettext("{worker} is at it: {stage}.").format(worker=job.worker, stage=stage + done)


def _queued(job: Job, living: set[str]) -> str:
    queue = ROUTES[JobKind(job.kind)].queue
    if queue not in living:
        return gettext("It waits for a worker of the queue “{queue}”, and none lives. Start one.").format(queue=queue)
    waited = gettext("It has waited in the queue “{queue}” for {time} and is {place}.")
    waited = waited.format(queue=queue, time=age(job.queued_at), place=_line(job))
    if not job.attempt:
        return waited
    again = gettext("A worker stopped while it was at it, {times} so far.").format(times=counted(job.attempt, "time"))
    return f"{waited} {again}"


def _line(job: Job) -> str:
    """Those of its kind that waited before it, and all of those that go first."""
    route = ROUTES[JobKind(job.kind)]
    first = [
        kind for kind in JobKind.values if ROUTES[JobKind(kind)].queue == route.queue and ROUTES[JobKind(kind)].priority < route.priority
    ]
    waiting = Job.objects.exclude(state__in=ENDED)
    count = waiting.filter(Q(kind__in=first) | Q(kind=job.kind, state=JobState.QUEUED, queued_at__lt=job.queued_at)).count()
    return gettext("behind {jobs}").format(jobs=counted(count, "job")) if count else gettext("next in line")
