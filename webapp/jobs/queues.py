"""How many messages wait in each queue of the broker."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from webapp.core.broker import broker
from webapp.jobs.routes import QUEUES


def queue_depths() -> dict[str, int]:
    """Messages a queue, over all its priorities. Raises redis.RedisError where the broker does not answer."""
    return {queue: _depth(queue) for queue in QUEUES}


def _depth(queue: str) -> int:
    """The broker keeps one list a priority; the first step's list has the queue's own name."""
    options: dict[str, Any] = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    keys = [queue] + [f"{queue}{options['sep']}{step}" for step in options["priority_steps"] if step]
    lengths: list[int] = [broker().llen(key) for key in keys]
    return sum(lengths)
