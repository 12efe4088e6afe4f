"""Making the first account, and the tokens of programs."""

from __future__ import annotations

import secrets

from django.db import transaction

from webapp.accounts.models import ApiToken, User, token_digest

TOKEN_START = "lr_"  # noqa: S105  it says what it is, so that a leaked one can be recognised
PREFIX_CHARACTERS = 9


class SetupDone(Exception):
    """There is an account already: the first one cannot be made again."""


@transaction.atomic
def first_account_create(*, username: str, password: str) -> User:
    """The account that may do everything. Raises SetupDone."""
    if User.objects.exists():
        raise SetupDone("This Longread has been set up already. Sign in instead.")
    return User.objects.create_superuser(username=username, password=password)


def token_create(*, owner: User, name: str) -> tuple[ApiToken, str]:
    """The row, and the token itself, which is shown now and never again."""
    token = TOKEN_START + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(owner=owner, name=name, prefix=token[:PREFIX_CHARACTERS], digest=token_digest(token))
    return row, token


def token_delete(*, token: ApiToken) -> None:
    token.delete()
