"""Making, revoking and following links to one answer.

A token is random and signed: a forged one is turned away before the database is asked, and the database holds no token that could be used.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext

from webapp.accounts.models import User, token_digest
from webapp.ask.models import Answer
from webapp.library.access import Right, may, reach, require
from webapp.sharing.models import AnswerLink

DAYS = (1, 7, 30)
PREFIX_CHARACTERS = 8
_signer = Signer(salt="longread.answer-link", sep="~")


class LinkRefused(Exception):
    """A link that cannot be made; the message says why."""


def link_create(*, answer: Answer, owner: User, days: int) -> tuple[AnswerLink, str]:
    """The row, and the token itself, which is shown now and never again. `days` is one of DAYS; any other counts as the first.

    Raises LinkRefused.
    """
    if not answer.has_ended:
        raise LinkRefused(gettext("The answer has not ended yet. Come back when it has."))
    token = _signer.sign(secrets.token_urlsafe(24))
    expires_at = timezone.now() + timedelta(days=days if days in DAYS else DAYS[0])
    row = AnswerLink.objects.create(
        answer=answer, owner=owner, prefix=token[:PREFIX_CHARACTERS], digest=token_digest(token), expires_at=expires_at
    )
    return row, token


def link_list(*, answer: Answer) -> QuerySet[AnswerLink]:
    """Those that still work by their date."""
    return answer.links.filter(expires_at__gt=timezone.now()).select_related("owner")


def link_detail(*, user: User, link_id: UUID) -> AnswerLink:
    """Of any collection that the user may change. Raises Http404 or PermissionDenied."""
    links = AnswerLink.objects.select_related("answer__question__collection__owner")
    link = get_object_or_404(links, reach(user, via="answer__question__collection"), id=link_id)
    require(user, Right.CHANGE, link.answer.question.collection)
    return link


def link_revoke(*, link: AnswerLink) -> None:
    link.delete()


def link_follow(*, token: str) -> AnswerLink:
    """The link that this token opens. Raises Http404, the same for a forged, an expired and a revoked one.

    It opens nothing either when its maker's account is off or may no longer change the collection.
    """
    try:
        _signer.unsign(token)
    except BadSignature as error:
        raise Http404 from error
    links = AnswerLink.objects.select_related("owner", "answer__question__collection")
    link = get_object_or_404(links, digest=token_digest(token), owner__is_active=True, expires_at__gt=timezone.now())
    if not may(link.owner, Right.CHANGE, link.answer.question.collection):
        raise Http404
    AnswerLink.objects.filter(id=link.id).update(opened_at=timezone.now())
    return link
