"""How much waits in each queue: the broker's messages, and the jobs behind them with how long the first has waited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Min

from webapp.core.broker import broker
from webapp.jobs.models import Job, JobKind, JobState
from webapp.jobs.routes import QUEUES, ROUTES


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs of one kind that wait. `oldest` is when the first of them began to; None where none does."""

    kind: str
    queue: str
    jobs: int
    oldest: datetime | None

    @property
    def label(self) -> str:
        return str(JobKind(self.kind).label)


def queue_depths() -> dict[str, int]:
    """Messages a queue, over all its priorities. Raises redis.RedisError where the broker does not answer."""
    return {queue: _depth(queue) for queue in QUEUES}


def _depth(queue: str) -> int:
    """The broker keeps one list a priority; the first step's list has the queue's own name."""
    options: dict[str, Any] = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    keys = [queue] + [f"{queue}{options['sep']}{step}" for step in options["priority_steps"] if step]
    lengths: list[int] = [broker().llen(key) for key in keys]
    return sum(lengths)


def waiting_list() -> list[Waiting]:
    """One for each kind of job, in the order of a document's life. From rows: a message that a worker holds for later waits as well."""
    queued = Job.objects.filter(state=JobState.QUEUED).order_by().values_list("kind")
    counted = {kind: (jobs, oldest) for kind, jobs, oldest in queued.annotate(Count("id"), Min("queued_at"))}
    return [Waiting(kind, ROUTES[JobKind(kind)].queue, *counted.get(kind, (0, None))) for kind in JobKind.values]
