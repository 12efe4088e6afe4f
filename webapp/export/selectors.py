"""Reads of exports: everybody's own, as long as they may see what it is of."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from webapp.accounts.models import User
from webapp.export.models import Export
from webapp.library.access import reach


def export_list(*, user: User) -> QuerySet[Export]:
    """The newest first."""
    return Export.objects.filter(reach(user), owner=user).select_related("job", "collection")


def export_detail(*, user: User, export_id: UUID) -> Export:
    """Raises Http404."""
    return get_object_or_404(export_list(user=user), id=export_id)
