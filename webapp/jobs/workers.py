"""Which workers live: each says so every few seconds in the broker, and while it is at it looks after the jobs of dead ones.

Any living worker is watchdog enough, so there is no extra process that must not die. Changes are compare-and-sets: several may try.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from celery.signals import worker_ready, worker_shutdown
from django.db import Error as DatabaseError
from django.db import close_old_connections

from webapp.core.broker import broker
from webapp.jobs.models import Job, JobState
from webapp.jobs.services import jobs_recover

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5
GONE_SECONDS = 20
PREFIX = "longread:worker:"
_stopping = threading.Event()


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker that was heard from in the last GONE_SECONDS. `task` is what it has been at longest, '' when it waits; `more` so many
    others beside it."""

    name: str
    queue: str
    pid: int
    task: str
    more: int
    since: datetime | None
    seen_at: datetime


def worker_list() -> list[WorkerInfo]:
    """The living workers. Raises redis.RedisError where the broker does not answer."""
    keys = sorted(broker().scan_iter(f"{PREFIX}*"))
    beats = [json.loads(value) for value in broker().mget(keys) if value] if keys else []
    running = list(Job.objects.filter(state=JobState.RUNNING).order_by("started_at"))
    return [_info(beat, [job for job in running if job.worker == beat["name"]]) for beat in beats]


def _info(beat: dict[str, Any], jobs: list[Job]) -> WorkerInfo:
    return WorkerInfo(
        name=beat["name"],
        queue=beat["queue"],
        pid=beat["pid"],
        task=str(jobs[0]) if jobs else "",
        more=max(0, len(jobs) - 1),
        since=jobs[0].started_at if jobs else None,
        seen_at=datetime.fromisoformat(beat["seen_at"]),
    )


def beat(name: str, queue: str) -> None:
    """Says once that this worker lives."""
    value = {"name": name, "queue": queue, "pid": os.getpid(), "seen_at": datetime.now(UTC).isoformat()}
    broker().set(PREFIX + name, json.dumps(value), ex=GONE_SECONDS)


def _live(name: str, queue: str) -> None:
    while True:
        try:
            beat(name, queue)
            close_old_connections()
            jobs_recover()
        except (redis.RedisError, DatabaseError) as error:
            logger.warning("The heartbeat of %s failed: %s", name, error)
        if _stopping.wait(BEAT_SECONDS):
            return


@worker_ready.connect
def start(sender: Any, **_: object) -> None:
    """Celery's signal: a worker has started to take messages."""
    queue = ",".join(sorted(sender.app.amqp.queues.consume_from))
    threading.Thread(target=_live, args=(sender.hostname, queue), daemon=True, name="worker-heartbeat").start()


@worker_shutdown.connect
def stop(sender: Any, **_: object) -> None:
    _stopping.set()
    broker().delete(PREFIX + sender.hostname)
