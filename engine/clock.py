"""When an answer came how far. Knows nothing of what is timed. Imports no torch."""

from __future__ import annotations

import time

from engine.events import Timings


class Clock:
    """Seconds since a question arrived."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._locate = self._first = 0.0

    def located(self) -> None:
        self._locate = self._now()

    def token(self, _event: object = None) -> None:
        """The first one counts."""
        self._first = self._first or self._now()

    def timings(self, prefill_seconds: float) -> Timings:
        return Timings(self._locate, prefill_seconds, self._first or self._now(), self._now())

    def _now(self) -> float:
        return time.perf_counter() - self._start
