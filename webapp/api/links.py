"""/questions/ID/links and /links/ID: links with which somebody without an account reads one answer, until they expire or are revoked."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from ninja import Router, Status
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.idempotency import unkept
from webapp.api.paging import Pages
from webapp.api.schemas.questions import LinkIn, LinkMade, LinkOut
from webapp.ask.models import Answer
from webapp.ask.selectors import question_detail
from webapp.library.access import Right, require
from webapp.sharing.models import AnswerLink
from webapp.sharing.services import link_create, link_detail, link_list, link_revoke

router = Router(tags=["links"])


def shareable(request: ApiRequest, question_id: UUID) -> Answer:
    """Raises Http404, or PermissionDenied for whoever may only read the collection."""
    question = question_detail(user=request.auth, question_id=question_id)
    require(request.auth, Right.CHANGE, question.collection)
    return question.answer


@router.get("/questions/{question_id}/links", response=list[LinkOut])
@paginate(Pages)
def links(request: ApiRequest, question_id: UUID) -> QuerySet[AnswerLink]:
    """Those that still work. Their addresses are not told again."""
    return link_list(answer=shareable(request, question_id))


@router.post("/questions/{question_id}/links", response={201: LinkMade})
def make(request: ApiRequest, question_id: UUID, body: LinkIn) -> Status[dict[str, Any]]:
    """`url` is told now and never again: where this is answered again for its `Idempotency-Key`, it is empty."""
    link, token = link_create(answer=shareable(request, question_id), owner=request.auth, days=body.days)
    unkept(request, "url")
    return Status(201, LinkOut.from_orm(link).dict() | {"url": request.build_absolute_uri(f"/shared/{token}/")})


@router.delete("/links/{link_id}", response={204: None})
def revoke(request: ApiRequest, link_id: UUID) -> Status[None]:
    """From now on it opens nothing."""
    link_revoke(link=link_detail(user=request.auth, link_id=link_id))
    return Status(204, None)
