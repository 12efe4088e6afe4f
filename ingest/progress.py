"""How long work reports itself: a stage, how much is done of how much, and in what unit. Knows no queue and no row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

OCR_STAGE = "reading scans"


@dataclass(frozen=True, slots=True)
class Progress:
    """`stage` is a word for people ("reading pages"), `unit` a plural noun ("pages"); total is 0 while it is unknown."""

    stage: str
    done: int
    total: int
    unit: str


class Report(Protocol):
    """Called often; may raise to stop the work (a cancelled job does)."""

    def __call__(self, progress: Progress, /) -> None: ...


def silent(progress: Progress, /) -> None:
    """A Report for callers that do not watch."""
