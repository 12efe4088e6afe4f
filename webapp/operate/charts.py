"""The geometry of the dashboard's small charts, for SVG without script or inline style. Knows numbers, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from webapp.core.templatetags.words import duration
from webapp.operate.waits import Hour

WIDTH, HEIGHT = 240, 64
STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200)


@dataclass(frozen=True, slots=True)
class Bar:
    """An hour: a bar up to the 95th percentile, in it one up to the median. Heights from the bottom."""

    x: float
    width: float
    high: float
    low: float
    title: str

    @property
    def top(self) -> float:
        return HEIGHT - self.high

    @property
    def middle(self) -> float:
        return HEIGHT - self.low


@dataclass(frozen=True, slots=True)
class BarChart:
    """`ceiling` is what the full height stands for, in seconds."""

    bars: list[Bar]
    ceiling: float
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class LineChart:
    """`points` as a polyline has them, `area` closed down to the bottom."""

    points: str
    area: str
    width: int = WIDTH
    height: int = HEIGHT


def wait_chart(hours: Sequence[Hour]) -> BarChart:
    highest = max((hour.p95 for hour in hours if hour.p95 is not None), default=0.0)
    ceiling = next((step for step in STEPS if step >= highest), highest)
    each = WIDTH / len(hours)
    bars = [
        Bar(
            x=round(number * each + 1, 2),
            width=round(each - 2, 2),
            high=round(max(1.5, HEIGHT * hour.p95 / ceiling), 2),
            low=round(max(1.5, HEIGHT * hour.p50 / ceiling), 2),
            title=_title(hour),
        )
        for number, hour in enumerate(hours)
        if hour.p50 is not None and hour.p95 is not None
    ]
    return BarChart(bars, ceiling)


def _title(hour: Hour) -> str:
    within = gettext("{when}: half of {n} within {p50}, 95 of 100 within {p95}")
    return within.format(when=_when(hour.ago), n=hour.answers, p50=duration(hour.p50), p95=duration(hour.p95))


def _when(ago: int) -> str:
    return gettext("in the last hour") if not ago else gettext("{first} to {last} hours ago").format(first=ago, last=ago + 1)


def free_chart(readings: Sequence[tuple[datetime, int]], total: int) -> LineChart | None:
    """What was free, from 0 to all of the disk; None where two readings do not make a line."""
    if len(readings) < 2 or not total:
        return None
    first, last = readings[0][0], readings[-1][0]
    span = (last - first).total_seconds() or 1.0
    points = [(WIDTH * (at - first).total_seconds() / span, HEIGHT - HEIGHT * free / total) for at, free in readings]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return LineChart(line, f"0,{HEIGHT} {line} {WIDTH},{HEIGHT}")
