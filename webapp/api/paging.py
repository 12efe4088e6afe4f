"""Lists come a page at a time: ?limit=50&offset=0, at most 200, as {"items": [...], "count": of all}."""

from __future__ import annotations

from ninja import Field, Schema
from ninja.pagination import LimitOffsetPagination

MOST_ITEMS = 200
MOST_OFFSET = 10**9


class Pages(LimitOffsetPagination):
    class Input(Schema):
        limit: int = Field(50, ge=1, le=MOST_ITEMS)
        offset: int = Field(0, ge=0, le=MOST_OFFSET)
