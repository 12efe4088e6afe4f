"""Work that no thread is left of: done by one that ends with it.

OpenMP keeps helpers for every thread that computed something large, and where there are more of them than processors, none spins for its
next piece of work any more: with those of a thread that only opened the model an answer took a third longer (decision 0032). So what
computes outside of the engine's thread computes here.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_passing(work: Callable[[], T]) -> T:
    """What `work` gives, or raises."""
    with ThreadPoolExecutor(1, "passing") as thread:
        return thread.submit(work).result()
