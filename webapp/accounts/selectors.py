"""Reads of accounts and their tokens."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from webapp.accounts.models import ApiToken, User


def has_users() -> bool:
    return User.objects.exists()


def token_list(*, owner: User) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(owner=owner)


def token_detail(*, owner: User, token_id: UUID) -> ApiToken:
    """Raises Http404 where the owner has no such token."""
    return get_object_or_404(ApiToken, owner=owner, id=token_id)
