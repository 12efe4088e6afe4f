"""What the API takes and gives of collections and their members."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ninja import Field, Schema

from webapp.api.schemas.fields import NO_NUL


class CollectionIn(Schema):
    name: str = Field(..., pattern=NO_NUL, examples=["Contracts"])


class CollectionOut(Schema):
    id: UUID
    name: str
    created_at: datetime


class CollectionPatch(Schema):
    name: str = Field(..., pattern=NO_NUL, examples=["Leases"])


class MemberIn(Schema):
    """`username`: the name with which the person signs in."""

    username: str = Field(..., pattern=NO_NUL, min_length=1, max_length=150, examples=["bob"])
    may_change: bool = Field(False, examples=[False])


class MemberPatch(Schema):
    may_change: bool = Field(..., examples=[True])


class MemberOut(Schema):
    """Reads and asks; with `may_change` also adds and deletes documents, and sweeps."""

    id: UUID
    username: str = Field(..., alias="user.username")
    may_change: bool
    created_at: datetime
