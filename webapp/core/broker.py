"""One Redis client a process for everything that is not a Celery message: streams of answers, workers' heartbeats, queue depths."""

from __future__ import annotations

from functools import cache

import redis
import redis.asyncio
from django.conf import settings


@cache
def broker() -> redis.Redis:
    """The synchronous client; answers are bytes. Its pool is safe to share between threads, and is made anew after a fork."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10, health_check_interval=30)


def async_broker() -> redis.asyncio.Redis:
    """A client for one streaming response. The caller closes it: connections belong to the event loop that made them.

    Its reads wait as long as they are told to: the library's own limit of some seconds is shorter than a quiet spell of a stream.
    """
    return redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=None, health_check_interval=30)
