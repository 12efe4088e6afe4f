"""Vehicle classes and what a kilometre costs each of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class VehicleClass:
    """Rates are in cents per kilometre; the cap is in cents per vehicle and calendar day."""

    name: str
    cents_per_km: int
    daily_cap_cents: int


CLASSES = {
    "motorcycle": VehicleClass("motorcycle", 6, 600),
    "car": VehicleClass("car", 11, 1_400),
    "van": VehicleClass("van", 17, 2_200),
    "lorry": VehicleClass("lorry", 38, 6_500),
}

# Emergency vehicles, and buses on a timetable, pay nothing.
EXEMPT = frozenset({"ambulance", "fire engine", "scheduled bus"})
