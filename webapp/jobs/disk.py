"""Whether the disk of the data folder fills, and by when: from readings that the workers take every few minutes. Knows bytes, not whose."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from webapp.jobs.models import DiskReading

EVERY = timedelta(minutes=5)
KEPT = timedelta(days=7)
# What it does over less than this says nothing of tomorrow.
LEAST_SPAN = timedelta(minutes=30)
LOOKED_BACK = timedelta(hours=24)
FULL_SOON = timedelta(days=3)
LOW_BYTES = 2 * 10**9


@dataclass(frozen=True, slots=True)
class Disk:
    """`bytes_an_hour` is what it takes more each hour (negative: it empties), None while that cannot be told; `full_in` where it fills."""

    free_bytes: int
    total_bytes: int
    bytes_an_hour: float | None
    full_in: timedelta | None
    readings: list[tuple[datetime, int]]

    @property
    def used_share(self) -> float:
        return 1 - self.free_bytes / self.total_bytes if self.total_bytes else 0.0

    @property
    def is_low(self) -> bool:
        return self.free_bytes < LOW_BYTES

    @property
    def is_filling(self) -> bool:
        """It will be full within FULL_SOON if it goes on like this."""
        return self.full_in is not None and self.full_in < FULL_SOON


def disk_note() -> bool:
    """Takes a reading, unless somebody has just taken one; says whether."""
    now = timezone.now()
    if DiskReading.objects.filter(created_at__gt=now - EVERY).exists():
        return False
    usage = shutil.disk_usage(settings.LONGREAD_HOME)
    DiskReading.objects.create(free_bytes=usage.free, total_bytes=usage.total)
    DiskReading.objects.filter(created_at__lt=now - KEPT).delete()
    return True


def disk() -> Disk:
    """As it is now, with what it did in the last day."""
    usage, now = shutil.disk_usage(settings.LONGREAD_HOME), timezone.now()
    rows = DiskReading.objects.filter(created_at__gt=now - LOOKED_BACK).order_by("created_at")
    readings = [*rows.values_list("created_at", "free_bytes"), (now, usage.free)]
    speed = _bytes_an_hour(readings)
    full_in = timedelta(hours=usage.free / speed) if speed and speed > usage.free / (24 * 365) else None
    return Disk(usage.free, usage.total, speed, full_in, readings)


def _bytes_an_hour(readings: Sequence[tuple[datetime, int]]) -> float | None:
    """From the first reading to the last."""
    (first, free_then), (last, free_now) = readings[0], readings[-1]
    if last - first < LEAST_SPAN:
        return None
    return (free_then - free_now) / ((last - first).total_seconds() / 3600)
