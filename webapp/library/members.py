"""Sharing a collection: who is let in, and to do what. Whose question it is to ask is settled before (webapp.library.access)."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext

from webapp.accounts.models import User
from webapp.library.models import Collection, Membership


class ShareRefused(Exception):
    """Somebody with whom a collection cannot be shared; the message says why."""


def member_list(*, collection: Collection) -> QuerySet[Membership]:
    return collection.memberships.select_related("user")


def member_detail(*, collection: Collection, member_id: UUID) -> Membership:
    """Raises Http404 where the collection has no such member."""
    return get_object_or_404(Membership, collection=collection, id=member_id)


def member_put(*, collection: Collection, username: str, may_change: bool) -> Membership:
    """Lets somebody in, or changes what a member may do. Raises ShareRefused."""
    username = username.strip()
    user = User.objects.filter(username__iexact=username, is_active=True).first()
    if user is None:
        raise ShareRefused(gettext("There is no account “{name}”. Type the name with which the person signs in.").format(name=username))
    if user.pk == collection.owner_id:
        raise ShareRefused(gettext("This collection is yours already."))
    member, _ = Membership.objects.update_or_create(collection=collection, user=user, defaults={"may_change": may_change})
    return member


def member_change(*, member: Membership, may_change: bool) -> None:
    member.may_change = may_change
    member.save(update_fields=["may_change", "updated_at"])


def member_remove(*, member: Membership) -> None:
    """What the member has asked and added stays."""
    member.delete()
