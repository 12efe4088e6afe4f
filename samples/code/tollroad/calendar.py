"""When it is peak time."""

from datetime import datetime, time

MORNING_PEAK = (time(6, 30), time(9, 30))
EVENING_PEAK = (time(16, 0), time(18, 45))
PEAK_FACTOR = 1.25
NIGHT_FACTOR = 0.7


def factor(entered: datetime) -> float:
    """What the fee is multiplied by for a journey that began at `entered`. Weekends have no peak."""
    clock = entered.time()
    if clock >= time(23, 0) or clock < time(5, 0):
        return NIGHT_FACTOR
    if entered.weekday() >= 5:
        return 1.0
    in_peak = any(start <= clock < end for start, end in (MORNING_PEAK, EVENING_PEAK))
    return PEAK_FACTOR if in_peak else 1.0
