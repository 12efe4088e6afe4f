"""Where the gates stand, in kilometres from the coast."""

GATES_KM = {
    "Harbour": 0.0,
    "Tannery Lane": 4.2,
    "Lowmere": 11.8,
    "Pike Bridge": 19.5,
    "Summit": 27.1,
    "Airfield": 33.6,
}


class UnknownGate(ValueError):
    """A journey names a gate that does not exist."""


def distance_km(entry: str, exit: str) -> float:
    """Kilometres between two gates, in either direction."""
    for name in (entry, exit):
        if name not in GATES_KM:
            raise UnknownGate(f"There is no gate {name!r}. Gates: {', '.join(GATES_KM)}.")
    return abs(GATES_KM[entry] - GATES_KM[exit])
