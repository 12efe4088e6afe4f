"""How often a program may call, and ask: counted by user, so that a second token gives no second allowance, in whole minutes.

Counted for all web processes together (webapp.core.counting); the sizes of files and questions are limited where they are taken.
"""

from __future__ import annotations

from django.http import HttpRequest
from ninja.throttling import BaseThrottle

from webapp.core import counting

CALLS_A_MINUTE = 600
QUESTIONS_A_MINUTE = 60
WINDOW_SECONDS = 60


class CallThrottle(BaseThrottle):
    """Every call."""

    what = "calls"

    def most(self) -> int:
        return CALLS_A_MINUTE

    def allow_request(self, request: HttpRequest) -> bool:
        user = request.auth.pk  # type: ignore[attr-defined]
        return counting.count(f"api:{self.what}:{user}", WINDOW_SECONDS) <= self.most()

    def wait(self) -> float:
        return counting.seconds_left(WINDOW_SECONDS)


class AskThrottle(CallThrottle):
    """Calls that make the engine work."""

    what = "questions"

    def most(self) -> int:
        return QUESTIONS_A_MINUTE
