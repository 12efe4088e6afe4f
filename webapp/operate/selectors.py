"""Everything that the dashboard and the metrics show, read at once. Without the broker the rest is there all the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import redis
from django.conf import settings
from django.db import connection
from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from webapp.jobs.disk import Disk, disk
from webapp.jobs.engine_figures import EngineFigures, engine_figures
from webapp.jobs.lives import WorkerInfo, worker_list
from webapp.jobs.models import Job, JobState
from webapp.jobs.queues import Waiting, queue_depths, waiting_list
from webapp.library.models import Document
from webapp.operate.attention import Notice, notices
from webapp.operate.waits import Waits, waits

FAILURES_SHOWN = 10
RECENT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Figures:
    """`queues`: messages in the broker by queue, None where it does not answer."""

    queues: dict[str, int] | None
    waiting: list[Waiting]
    workers: list[WorkerInfo]
    engines: list[EngineFigures]
    disk: Disk
    waits: Waits
    failed_lately: int

    @property
    def notices(self) -> list[Notice]:
        return notices(
            broker=self.queues is not None,
            workers=self.workers,
            engines=self.engines,
            disk=self.disk,
            waits=self.waits,
            failures=self.failed_lately,
        )

    @property
    def queue_rows(self) -> list[tuple[str, int | None, list[Waiting]]]:
        """A queue, its messages, and the kinds of job that wait in it."""
        names = dict.fromkeys(waiting.queue for waiting in self.waiting)
        return [(name, (self.queues or {}).get(name), [one for one in self.waiting if one.queue == name]) for name in names]


@dataclass(frozen=True, slots=True)
class Taken:
    """Bytes of the data folder, by what takes them. Page images and indexes are counted with nothing: they can be made again."""

    uploads: int
    database: int | None


def figures() -> Figures:
    try:
        queues, engines = queue_depths(), engine_figures()
    except redis.RedisError:
        queues, engines = None, []
    return Figures(
        queues=queues,
        waiting=waiting_list(),
        workers=worker_list(),
        engines=engines,
        disk=disk(),
        waits=waits(),
        failed_lately=failures().filter(ended_at__gt=timezone.now() - RECENT).count(),
    )


def failures() -> QuerySet[Job]:
    """The newest first."""
    return Job.objects.filter(state=JobState.FAILED).select_related("owner").order_by("-ended_at")


def taken() -> Taken:
    uploads = Document.objects.filter(archive=None).aggregate(bytes=Sum("size_bytes"))["bytes"] or 0
    return Taken(uploads, _database_bytes())


def _database_bytes() -> int | None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
    file = Path(str(settings.DATABASES["default"]["NAME"]))
    return file.stat().st_size if file.exists() else None


def jobs_by_kind() -> list[tuple[str, str, int]]:
    """Kind, state and how many, of all jobs."""
    return list(Job.objects.order_by().values_list("kind", "state").annotate(Count("id")))
