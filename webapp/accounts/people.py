"""What operators do for others: invite them, give and take the role, switch accounts off and on, hand out a link to a new password."""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID

from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext

from webapp.accounts.models import Invitation, User, token_digest
from webapp.accounts.services import PREFIX_CHARACTERS
from webapp.accounts.signing_in import sign_ins_end

INVITED_DAYS = 7


class ChangeRefused(Exception):
    """What an operator cannot do to an account; the message says why."""


def user_list() -> QuerySet[User]:
    return User.objects.order_by("-is_staff", "username")


def user_detail(*, user_id: int) -> User:
    """Raises Http404."""
    return get_object_or_404(User, id=user_id)


def invitation_list() -> QuerySet[Invitation]:
    """Those that can still be used."""
    return Invitation.objects.filter(used_by=None, expires_at__gt=timezone.now()).select_related("owner")


def invitation_create(*, owner: User, note: str, is_operator: bool) -> tuple[Invitation, str]:
    """The row, and the token of its link, which is shown now and never again."""
    token = secrets.token_urlsafe(24)
    row = Invitation.objects.create(
        owner=owner,
        note=note,
        is_operator=is_operator,
        prefix=token[:PREFIX_CHARACTERS],
        digest=token_digest(token),
        expires_at=timezone.now() + timedelta(days=INVITED_DAYS),
    )
    return row, token


def invitation_by_token(*, token: str) -> Invitation:
    """Raises Http404 for one that is unknown, used or expired, or whose maker is no operator any more."""
    return get_object_or_404(invitation_list(), digest=token_digest(token), owner__is_active=True, owner__is_staff=True)


def invitation_delete(*, invitation_id: UUID) -> None:
    """Raises Http404. One that was used stays, as the account does."""
    get_object_or_404(invitation_list(), id=invitation_id).delete()


@transaction.atomic
def account_create(*, invitation: Invitation, username: str, email: str, password: str) -> User:
    """The account of whom it was for. Raises Http404 where somebody else was quicker."""
    role = {"is_staff": invitation.is_operator, "is_superuser": invitation.is_operator}
    user = User.objects.create_user(username=username, email=email, password=password, **role)
    if not Invitation.objects.filter(id=invitation.id, used_by=None).update(used_by=user):
        raise Http404
    return user


def role_set(*, user: User, by: User, is_operator: bool) -> None:
    """Raises ChangeRefused."""
    _not_oneself(user, by)
    User.objects.filter(id=user.pk).update(is_staff=is_operator, is_superuser=is_operator)


def active_set(*, user: User, by: User, is_active: bool) -> None:
    """An account that is off is signed out everywhere, and its tokens and links open nothing; what it owns stays. Raises ChangeRefused."""
    _not_oneself(user, by)
    User.objects.filter(id=user.pk).update(is_active=is_active)
    if not is_active:
        sign_ins_end(user=user)


def _not_oneself(user: User, by: User) -> None:
    """So there is always an operator left."""
    if user.pk == by.pk:
        raise ChangeRefused(gettext("This is your own account. Let another operator do that."))


def reset_path(*, user: User) -> str:
    """Where the user sets a new password, once and within a day (settings.PASSWORD_RESET_TIMEOUT). Nothing of it is stored."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("accounts-reset-set", args=[uid, default_token_generator.make_token(user)])
