"""Who calls the API: the owner of the bearer token. Knows nothing of sessions, so no page can call it in a visitor's name."""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from webapp.accounts.models import ApiToken, Scope, User, token_digest

# A row is written at most this often for a program that calls without pause.
USE_NOTED_SECONDS = 60
SAFE = ("GET", "HEAD", "OPTIONS")


class ApiRequest(HttpRequest):
    """A request that has passed TokenAuth."""

    auth: User


class TokenAuth(HttpBearer):
    """The token is looked up by its digest in the database's index, so the time that it takes tells nothing about other tokens."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        row = ApiToken.objects.select_related("owner").filter(digest=token_digest(token), owner__is_active=True).first()
        if row is None or row.has_expired:
            return None
        if row.scope == Scope.READ and request.method not in SAFE:
            raise PermissionDenied("This token may only read. Make one that may write on the account page.")
        _note_use(row)
        return row.owner


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - timedelta(seconds=USE_NOTED_SECONDS):
        ApiToken.objects.filter(id=token.id).update(last_used_at=now)
