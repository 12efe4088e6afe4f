"""How often something was done lately, counted for all processes together in the broker, by whole windows of time.

A limit is no reason to stop working: where the broker does not answer, nothing counts. Knows nothing of what is counted.
"""

from __future__ import annotations

import hashlib
import logging
import time

import redis

from webapp.core.broker import broker

logger = logging.getLogger(__name__)


def count(name: str, seconds: int) -> int:
    """Once more in this window; returns how often that is, 0 where it cannot be told."""
    key = _key(name, seconds)
    try:
        times = int(broker().incr(key))
        if times == 1:
            broker().expire(key, 2 * seconds)
    except redis.RedisError as error:
        logger.warning("The broker does not count: %s", error)
        return 0
    return times


def counted(name: str, seconds: int) -> int:
    """How often in this window."""
    try:
        return int(broker().get(_key(name, seconds)) or 0)
    except redis.RedisError:
        return 0


def forget(name: str, seconds: int) -> None:
    try:
        broker().delete(_key(name, seconds))
    except redis.RedisError as error:
        logger.warning("The broker does not count: %s", error)


def seconds_left(seconds: int) -> float:
    """Of this window."""
    return seconds - time.time() % seconds


def _key(name: str, seconds: int) -> str:
    """What people type into `name` is hashed: it may be long, and a password typed into the wrong field."""
    return f"longread:count:{hashlib.sha256(name.encode()).hexdigest()[:32]}:{int(time.time()) // seconds}"
