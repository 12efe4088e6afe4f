"""How often a program may ask. Counted in each web process by itself; the sizes of files and questions are limited where they are taken."""

from __future__ import annotations

import time

from django.core.cache import cache
from django.http import HttpRequest
from ninja.throttling import BaseThrottle

QUESTIONS_A_MINUTE = 60
WINDOW_SECONDS = 60


class AskThrottle(BaseThrottle):
    """Counts by user, so that a second token gives no second allowance, in whole minutes."""

    def allow_request(self, request: HttpRequest) -> bool:
        window = int(time.time()) // WINDOW_SECONDS
        key = f"longread-asks:{request.auth.pk}:{window}"  # type: ignore[attr-defined]
        cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
        return cache.incr(key) <= QUESTIONS_A_MINUTE

    def wait(self) -> float:
        return WINDOW_SECONDS - time.time() % WINDOW_SECONDS
