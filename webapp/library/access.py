"""Who may see and change what: the one place that says so. Everything belongs to a collection, and what a person may do with the
collection is what they may do with all that is in it.

    READ    see its documents, questions, answers and sweeps, take them home, and ask
    CHANGE  also add, rename, read again and delete documents, sweep, stop what others have asked, and make links to an answer
    OWN     also rename, delete and share the collection, and move documents out of it and into it

Its owner has all three, a member READ or CHANGE, everybody else nothing: for them it does not exist. Staff have no right to what is
another's. Stored state stays the owner's, whoever asks: its salt is that of `collection.owner`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.utils.translation import gettext_lazy

from webapp.accounts.models import User
from webapp.library.models import Collection, Membership


class Right(IntEnum):
    """Each holds those below it."""

    READ = 1
    CHANGE = 2
    OWN = 3


REFUSALS = {
    Right.CHANGE: gettext_lazy("You may read this collection and ask it, but not change it. Ask {owner}, whose it is, to let you."),
    Right.OWN: gettext_lazy("Only {owner}, whose collection this is, may do that."),
}


def reach(user: User, right: Right = Right.READ, *, via: str = "collection") -> Q:
    """The rows whose collection the user has this right to; `via` is the way from a row to it, and "" that of collections themselves."""
    owned = Q(owner=user)
    if right < Right.OWN:
        shared = Membership.objects.filter(user=user)
        shared = shared if right == Right.READ else shared.filter(may_change=True)
        owned |= Q(id__in=shared.values("collection"))
    return Q(**{f"{via}__in": Collection.objects.filter(owned).order_by().values("id")}) if via else owned


def right_to(user: User, collection: Collection) -> Right | None:
    """The highest; None for whom it does not exist."""
    if collection.owner_id == user.pk:
        return Right.OWN
    membership = Membership.objects.filter(user=user, collection=collection).first()
    if membership is None:
        return None
    return Right.CHANGE if membership.may_change else Right.READ


@dataclass(frozen=True, slots=True)
class Rights:
    """What a page offers."""

    change: bool
    own: bool


def rights(user: User, collection: Collection) -> Rights:
    highest = right_to(user, collection) or 0
    return Rights(highest >= Right.CHANGE, highest >= Right.OWN)


def may(user: User, right: Right, collection: Collection) -> bool:
    return (right_to(user, collection) or 0) >= right


def require(user: User, right: Right, collection: Collection) -> None:
    """For a collection that the user may read. Raises PermissionDenied with a sentence that says whom to ask."""
    if right > Right.READ and not may(user, right, collection):
        raise PermissionDenied(REFUSALS[right].format(owner=collection.owner.get_username()))
