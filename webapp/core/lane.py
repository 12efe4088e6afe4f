"""A worker's work that waits its turn: one at a time in a thread of its own, so that it never holds the threads that answer questions.

Work has a name and waits once, however often it is put in. What waits here is in the memory of this process only: whoever puts it in
keeps a record of it elsewhere (a job's row, a folder). Knows nothing of what the work is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from weakref import WeakSet

from celery.signals import worker_shutdown, worker_shutting_down
from django.db import close_old_connections

logger = logging.getLogger(__name__)

Work = Callable[[], None]
# What stops a worker gives it a little more than this before it is killed.
END_SECONDS = 5.0
KEEP_SECONDS = 10.0
_lanes: WeakSet[Lane] = WeakSet()


class Lane:
    """`keep`, where there is one, is told now and then, between two pieces of work, the names of those that still wait."""

    def __init__(self, name: str, keep: Callable[[list[str]], None] | None = None) -> None:
        self._name, self._keep, self._kept_at = name, keep, time.monotonic()
        self._waiting: dict[str, Work] = {}
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ending = False
        _lanes.add(self)

    def put(self, name: str, work: Work) -> None:
        """At the end of the line, unless work of this name waits in it already."""
        with self._change:
            self._waiting.setdefault(name, work)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name=self._name)
                self._thread.start()
            self._change.notify()

    def end(self) -> None:
        """What waits is left; what is being done is done to its end."""
        with self._change:
            self._ending = True
            self._change.notify()

    def join(self) -> None:
        """Waits for the work at hand, for END_SECONDS at most."""
        if self._thread is not None:
            self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                self._keep_waiting()
                work()
            except Exception:
                logger.exception("Work in the lane %r broke.", self._name)
            finally:
                close_old_connections()

    def _next(self) -> Work | None:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._ending)
            return None if self._ending else self._waiting.pop(next(iter(self._waiting)))

    def _keep_waiting(self) -> None:
        if self._keep is None or time.monotonic() - self._kept_at < KEEP_SECONDS:
            return
        self._kept_at = time.monotonic()
        with self._change:
            names = list(self._waiting)
        if names:
            self._keep(names)


@worker_shutting_down.connect
def end_lanes(**_: object) -> None:
    """Celery's signal: the worker takes no new work."""
    for lane in _lanes:
        lane.end()


@worker_shutdown.connect
def join_lanes(**_: object) -> None:
    """Celery's signal: the worker has done its tasks."""
    for lane in _lanes:
        lane.join()
