"""Signing in: how often it may be tried, and in which browsers somebody is signed in.

Failures count by account and address together, so that nobody can lock another out from elsewhere; by address, against many names; and by
account, against many addresses. What is counted is known to all processes (webapp.core.counting).
"""

from __future__ import annotations

import ipaddress
from typing import Any
from uuid import UUID

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.dispatch import receiver
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone

from webapp.accounts.models import SignIn, User
from webapp.core import counting

WINDOW_SECONDS = 15 * 60
MOST_OF_BOTH = 8
MOST_OF_ADDRESS = 60
MOST_OF_ACCOUNT = 200


class LimitedBackend(ModelBackend):
    """Django's own, for whoever has not failed too often. It is asked by every way in, the admin's too."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> User | None:
        if request is not None and username and wait_seconds(request, username):
            raise PermissionDenied
        return super().authenticate(request, username=username, password=password, **more)


def wait_seconds(request: HttpRequest, username: str) -> float:
    """How long this account cannot be tried from this address; 0.0 where it can. The right password does not help before."""
    tried = any(counting.counted(name, WINDOW_SECONDS) >= most for name, most in _names(request, username))
    return counting.seconds_left(WINDOW_SECONDS) if tried else 0.0


def _names(request: HttpRequest, username: str) -> list[tuple[str, int]]:
    account, address = username.strip().lower(), address_of(request) or "nowhere"
    return [
        (f"sign-in:{account}@{address}", MOST_OF_BOTH),
        (f"sign-in:@{address}", MOST_OF_ADDRESS),
        (f"sign-in:{account}", MOST_OF_ACCOUNT),
    ]


def address_of(request: HttpRequest) -> str | None:
    """Where the request comes from, as the server says; None where that is no address."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


def sign_in_list(*, user: User) -> QuerySet[SignIn]:
    """Those whose session still lasts."""
    alive = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    return SignIn.objects.filter(user=user, session_key__in=alive)


def sign_in_detail(*, user: User, sign_in_id: UUID) -> SignIn:
    """Raises Http404 where it is not the user's."""
    return get_object_or_404(SignIn, user=user, id=sign_in_id)


def sign_in_end(*, sign_in: SignIn) -> None:
    """That browser is signed out at its next request."""
    Session.objects.filter(session_key=sign_in.session_key).delete()
    sign_in.delete()


def sign_ins_end(*, user: User, but: str = "") -> int:
    """All of them but the session of this key. Returns how many ended."""
    others = list(SignIn.objects.filter(user=user).exclude(session_key=but))
    for other in others:
        sign_in_end(sign_in=other)
    return len(others)


def sign_in_note(request: HttpRequest, user: User) -> None:
    """Writes the request's session down, which is new."""
    key = request.session.session_key
    if key:
        known = {"user": user, "address": address_of(request), "browser": request.META.get("HTTP_USER_AGENT", "")[:200]}
        SignIn.objects.update_or_create(session_key=key, defaults=known)


@receiver(user_login_failed)
def failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: object) -> None:
    if request is not None:
        for name, _most in _names(request, str(credentials.get("username", ""))):
            counting.count(name, WINDOW_SECONDS)


@receiver(user_logged_in)
def came(request: HttpRequest, user: User, **_: object) -> None:
    counting.forget(_names(request, user.get_username())[0][0], WINDOW_SECONDS)
    sign_in_note(request, user)


@receiver(user_logged_out)
def went(request: HttpRequest, **_: object) -> None:
    SignIn.objects.filter(session_key=request.session.session_key or "").delete()
