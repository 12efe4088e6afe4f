"""The lives of workers: when each began, when it was last heard, how it ended, and what others had to take over from it.

In rows and not in the broker, so that they can be looked up when the broker, or the worker, is gone. Knows no Celery.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.db import transaction
from django.utils import timezone

from webapp.jobs.models import Job, JobState, Worker

GONE_SECONDS = 20
# Who died longer ago is no news.
SHOWN = timedelta(hours=24)
KEPT = timedelta(days=30)
LEFT_SHOWN = 20


class Life(Enum):
    """How a worker is."""

    ALIVE = "alive"
    STOPPED = "stopped"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Left:
    """A job that a worker did not bring to its end: how far it was, and what became of it."""

    label: str
    at: str
    became: str
    when: datetime


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """`jobs` is what it does, the longest first; of a dead one, what nobody has taken over yet. `ended_at` is when it was last heard.
    `successor`: another of the same name lives."""

    name: str
    queue: str
    pid: int
    life: Life
    started_at: datetime
    seen_at: datetime
    jobs: list[Job]
    left: list[Left]
    successor: bool

    @property
    def is_alive(self) -> bool:
        return self.life is Life.ALIVE

    @property
    def is_dead(self) -> bool:
        return self.life is Life.DEAD


def life_beat(*, name: str, queue: str, pid: int, started_at: datetime) -> None:
    """The worker says that it lives."""
    now = timezone.now()
    if not Worker.objects.filter(name=name, pid=pid, started_at=started_at).update(seen_at=now, stopped_at=None):
        Worker.objects.create(name=name, queue=queue, pid=pid, started_at=started_at, seen_at=now)
        Worker.objects.filter(seen_at__lt=now - KEPT).delete()


def life_end(*, name: str, pid: int, started_at: datetime) -> None:
    """It was told to stop, and does."""
    now = timezone.now()
    Worker.objects.filter(name=name, pid=pid, started_at=started_at).update(seen_at=now, stopped_at=now)


@transaction.atomic
def life_leave(*, job: Job, became: str) -> None:
    """Others take this job over from the worker that had it: noted at the life in which it was last heard of."""
    lives = Worker.objects.select_for_update().filter(name=job.worker).order_by("-started_at")
    life = (lives.filter(started_at__lte=job.heartbeat_at) if job.heartbeat_at else lives).first()
    if life is None:
        return
    left = {"job": str(job.id), "label": str(job), "at": _where(job), "became": became, "when": timezone.now().isoformat()}
    life.left = [*life.left, left][-LEFT_SHOWN:]
    life.save(update_fields=["left", "updated_at"])


def _where(job: Job) -> str:
    return f"{job.stage}, {job.done:,} of {job.total:,} {job.unit}" if job.total else job.stage


def worker_list() -> list[WorkerInfo]:
    """The living first, then those who died or stopped in the last day, the newest first, without those who stopped and were replaced."""
    now = timezone.now()
    rows = list(Worker.objects.filter(seen_at__gt=now - SHOWN))
    running = list(Job.objects.filter(state=JobState.RUNNING).order_by("started_at"))
    lives = {row.id: _life(row, now) for row in rows}
    alive = {row.name for row in rows if lives[row.id] is Life.ALIVE}
    shown = [_info(row, lives[row.id], running, alive) for row in rows]
    shown = [info for info in shown if not (info.life is Life.STOPPED and info.successor)]
    return sorted(shown, key=lambda info: (not info.is_alive, info.name if info.is_alive else "", -info.seen_at.timestamp()))


def _life(row: Worker, now: datetime) -> Life:
    if row.stopped_at:
        return Life.STOPPED
    return Life.ALIVE if row.seen_at > now - timedelta(seconds=GONE_SECONDS) else Life.DEAD


def _info(row: Worker, life: Life, running: list[Job], alive: set[str]) -> WorkerInfo:
    successor = life is not Life.ALIVE and row.name in alive
    return WorkerInfo(
        name=row.name,
        queue=row.queue,
        pid=row.pid,
        life=life,
        started_at=row.started_at,
        seen_at=row.seen_at,
        jobs=[] if successor else [job for job in running if job.worker == row.name],
        left=[Left(left["label"], left["at"], left["became"], datetime.fromisoformat(left["when"])) for left in reversed(row.left)],
        successor=successor,
    )
