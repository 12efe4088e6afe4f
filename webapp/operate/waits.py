"""How long people wait for the first word of an answer: from the moment in which they asked, the time in the queue included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from webapp.ask.models import Answer, AnswerState

LOOKED_BACK = timedelta(hours=24)
HOURS = 24
# The newest so many are enough to tell.
MOST_ANSWERS = 2000


@dataclass(frozen=True, slots=True)
class Hour:
    """Waits of the answers of one hour, in seconds; None where there were none. `ago` counts hours back, 0 is the running one."""

    ago: int
    answers: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Waits:
    """`hours`: the oldest first. `waiting` people have asked and see nothing yet, the first of them since `oldest`."""

    answers: int
    p50: float | None
    p95: float | None
    hours: list[Hour]
    waiting: int
    oldest: datetime | None
    streaming: int


def waits() -> Waits:
    now = timezone.now()
    seen = _first_words(now - LOOKED_BACK)
    hours = [_hour(ago, [wait for asked, wait in seen if int((now - asked) / timedelta(hours=1)) == ago]) for ago in reversed(range(HOURS))]
    every = [wait for _, wait in seen]
    waiting = Answer.objects.filter(state=AnswerState.WAITING).order_by("created_at")
    first = waiting.first()
    return Waits(
        answers=len(every),
        p50=percentile(every, 0.5),
        p95=percentile(every, 0.95),
        hours=hours,
        waiting=waiting.count(),
        oldest=first.created_at if first else None,
        streaming=Answer.objects.filter(state=AnswerState.STREAMING).count(),
    )


def _first_words(since: datetime) -> list[tuple[datetime, float]]:
    """When each was asked, and how long its first word took."""
    rows = Answer.objects.filter(created_at__gt=since, state=AnswerState.DONE).order_by("-created_at")
    found = rows.values_list("created_at", "job__started_at", "timings")[:MOST_ANSWERS]
    return [
        (asked, _queued(asked, begun) + float(timings["first_token_s"])) for asked, begun, timings in found if "first_token_s" in timings
    ]


def _queued(asked: datetime, begun: datetime | None) -> float:
    return max(0.0, (begun - asked).total_seconds()) if begun else 0.0


def _hour(ago: int, seconds: Sequence[float]) -> Hour:
    return Hour(ago, len(seconds), percentile(seconds, 0.5), percentile(seconds, 0.95))


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that is not below `share` of them (nearest rank); None of none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None
