"""Making the first account, and the tokens of programs."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from webapp.accounts.models import ApiToken, Scope, User, token_digest

TOKEN_START = "lr_"  # noqa: S105  it says what it is, so that a leaked one can be recognised
PREFIX_CHARACTERS = 9


class SetupDone(Exception):
    """There is an account already: the first one cannot be made again."""


@transaction.atomic
def first_account_create(*, username: str, password: str) -> User:
    """The account that may do everything. Raises SetupDone."""
    if User.objects.exists():
        raise SetupDone(gettext("This Longread has been set up already. Sign in instead."))
    return User.objects.create_superuser(username=username, password=password)


def token_create(*, owner: User, name: str, scope: str = Scope.WRITE, days: int = 0) -> tuple[ApiToken, str]:
    """The row, and the token itself, which is shown now and never again. It works for so many `days`, with 0 until it is deleted."""
    token = TOKEN_START + secrets.token_urlsafe(32)
    known = {"name": name, "scope": scope, "expires_at": timezone.now() + timedelta(days=days) if days else None}
    row = ApiToken.objects.create(owner=owner, prefix=token[:PREFIX_CHARACTERS], digest=token_digest(token), **known)
    return row, token


def token_delete(*, token: ApiToken) -> None:
    token.delete()
