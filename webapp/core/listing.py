"""How somebody wants a list: what to look for in it, and in which order. Knows no row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from webapp.core.words import printable

MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Listing:
    """`find` is part of a name, `sort` one of the orders that a list offers; '' for all of it in its own order."""

    find: str = ""
    sort: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Listing:
        return cls(printable(query.get("find", "")).strip()[:MOST_CHARACTERS], query.get("sort", "")[:20])

    def order(self, orders: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The columns of the chosen order, or of the first where there is no such one."""
        return orders.get(self.sort) or next(iter(orders.values()))

    @property
    def query(self) -> str:
        """As part of an address, with its `&`."""
        said = {name: value for name, value in (("find", self.find), ("sort", self.sort)) if value}
        return f"&{urlencode(said)}" if said else ""


PLAIN = Listing()
