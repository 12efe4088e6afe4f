"""What journeys cost: distance, time of day, frequent drivers' discount and daily cap."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from tollroad.calendar import factor
from tollroad.gates import distance_km
from tollroad.vehicles import CLASSES, EXEMPT

# From the 21st journey of a month on, a vehicle pays 15 % less.
FREQUENT_AFTER_JOURNEYS = 20
FREQUENT_DISCOUNT = 0.15
MINIMUM_FEE_CENTS = 40


@dataclass(frozen=True)
class Journey:
    """One trip from gate to gate."""

    plate: str
    vehicle: str
    entry: str
    exit: str
    entered: datetime


def journey_fee_cents(journey: Journey, earlier_this_month: int) -> int:
    """The fee of one journey before the daily cap, in whole cents."""
    if journey.vehicle in EXEMPT:
        return 0
    rate = CLASSES[journey.vehicle].cents_per_km
    fee = distance_km(journey.entry, journey.exit) * rate * factor(journey.entered)
    if earlier_this_month >= FREQUENT_AFTER_JOURNEYS:
        fee *= 1 - FREQUENT_DISCOUNT
    return max(MINIMUM_FEE_CENTS, round(fee))


def charge(journeys: list[Journey]) -> dict[str, int]:
    """Cents owed by each plate. Journeys are charged in order of entry, and each day is capped by vehicle class."""
    owed: dict[str, int] = defaultdict(int)
    of_month: dict[tuple[str, int, int], int] = defaultdict(int)
    of_day: dict[tuple[str, object], int] = defaultdict(int)
    for journey in sorted(journeys, key=lambda journey: journey.entered):
        month = (journey.plate, journey.entered.year, journey.entered.month)
        fee = journey_fee_cents(journey, of_month[month])
        day = (journey.plate, journey.entered.date())
        if journey.vehicle in CLASSES:
            fee = min(fee, CLASSES[journey.vehicle].daily_cap_cents - of_day[day])
        of_month[month] += 1
        of_day[day] += fee
        owed[journey.plate] += fee
    return dict(owed)
