"""What every worker does beside its work: it says every few seconds that it lives, looks after the jobs of dead ones, and notes the disk;
one with an engine also says what that does.

Any living worker is watchdog enough, so there is no extra process that must not die. Changes are compare-and-sets: several may try.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from typing import Any

import redis
from celery.signals import worker_ready, worker_shutdown
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.utils import timezone

from webapp.core.broker import broker
from webapp.jobs.disk import disk_note
from webapp.jobs.engine_figures import tell
from webapp.jobs.lives import GONE_SECONDS, life_beat, life_end
from webapp.jobs.services import jobs_recover
from webapp.jobs.signals import looked_after

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5
PREFIX = "longread:worker:"
STARTED_AT = timezone.now()
_stopping = threading.Event()


def beat(name: str, queue: str) -> None:
    """Says once that this worker lives: in its row for people, in the broker for whoever only has that (the containers' health check)."""
    life_beat(name=name, queue=queue, pid=os.getpid(), started_at=STARTED_AT)
    value = {"name": name, "queue": queue, "pid": os.getpid(), "seen_at": timezone.now().isoformat()}
    broker().set(PREFIX + name, json.dumps(value), ex=GONE_SECONDS)


def _live(name: str, queue: str) -> None:
    while True:
        try:
            close_old_connections()
            beat(name, queue)
            if disk_note():
                looked_after.send_robust(sender=None)  # whoever tidies must not end this thread
            jobs_recover()
        except (redis.RedisError, DatabaseError) as error:
            logger.warning("The heartbeat of %s failed: %s", name, error)
        if _stopping.wait(BEAT_SECONDS):
            return


def _tell(name: str) -> None:
    while not _stopping.is_set():
        tell(name)
        _stopping.wait(BEAT_SECONDS)


@worker_ready.connect
def start(sender: Any, **_: object) -> None:
    """Celery's signal: a worker has started to take messages."""
    queues = sorted(sender.app.amqp.queues.consume_from)
    threading.Thread(target=_live, args=(sender.hostname, ",".join(queues)), daemon=True, name="worker-heartbeat").start()
    if "engine" in queues:
        threading.Thread(target=_tell, args=(sender.hostname,), daemon=True, name="engine-figures").start()


@worker_shutdown.connect
def stop(sender: Any, **_: object) -> None:
    """Celery's signal: it ends as it was told to."""
    _stopping.set()
    try:
        life_end(name=sender.hostname, pid=os.getpid(), started_at=STARTED_AT)
        broker().delete(PREFIX + sender.hostname)
    except (redis.RedisError, DatabaseError) as error:
        logger.warning("The end of %s could not be noted: %s", sender.hostname, error)
