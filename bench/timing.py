"""How everything is timed: the best of some rounds after one to warm up, with one number of threads for all. Imports no torch."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

THREADS = int(os.environ.get("LONGREAD_THREADS") or os.cpu_count() or 1)
ROUNDS = 5


def quickest(seconds: Callable[[], float]) -> float:
    """The least of ROUNDS times that the call gives, after one to warm up."""
    seconds()
    return min(seconds() for _ in range(ROUNDS))


def seconds_of(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def best_seconds(work: Callable[[], object]) -> float:
    """How long the work takes at its quickest."""
    return quickest(lambda: seconds_of(work))
