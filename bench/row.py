"""What a benchmark says: one line a measurement, beside a peer that was measured in the same run."""

from __future__ import annotations

from dataclasses import dataclass

LESS_IS_BETTER = frozenset({"s", "ms", "MB", "bytes", "% wrong"})


@dataclass(frozen=True, slots=True)
class Row:
    """`peer_value` is what `peer` reaches on the same input in the same run. A rate, unless the unit is a time, memory, or errors."""

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the peer: above 1 is better than it, for times and memory as for rates."""
        if not self.peer_value or not self.value:
            return None
        return self.peer_value / self.value if self.unit in LESS_IS_BETTER else self.value / self.peer_value


@dataclass(frozen=True, slots=True)
class Measured:
    """`rows` to read, and `figures` by name for who scores or compares them."""

    rows: list[Row]
    figures: dict[str, float]
