"""How fast something goes, from what was noted in the last seconds. Knows no clock but the one that it is told. Imports no torch."""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS = 10.0


class Rate:
    """A count a second, over the time that the work itself took: pauses do not make it slower."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, int, float]] = deque()

    def note(self, now: float, count: int, seconds: float) -> None:
        """At `now` (monotonic seconds), `count` were done in the last `seconds`."""
        self._noted.append((now, count, seconds))
        self._forget(now)

    def per_second(self, now: float) -> float | None:
        """None where nothing was noted lately."""
        self._forget(now)
        seconds = sum(seconds for _, _, seconds in self._noted)
        return sum(count for _, count, _ in self._noted) / seconds if seconds else None

    def _forget(self, now: float) -> None:
        while self._noted and self._noted[0][0] < now - WINDOW_SECONDS:
            self._noted.popleft()
