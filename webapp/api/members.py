"""/collections/ID/members: whom its owner lets in, and to do what."""

from uuid import UUID

from django.db.models import QuerySet
from ninja import Router, Status
from ninja.errors import HttpError
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.paging import Pages
from webapp.api.schemas.collections import MemberIn, MemberOut, MemberPatch
from webapp.library.access import Right
from webapp.library.members import member_change, member_detail, member_list, member_put, member_remove
from webapp.library.models import Collection, Membership
from webapp.library.selectors import collection_detail

router = Router(tags=["members"])


def own(request: ApiRequest, collection_id: UUID) -> Collection:
    return collection_detail(user=request.auth, collection_id=collection_id, right=Right.OWN)


@router.get("/{collection_id}/members", response=list[MemberOut])
@paginate(Pages)
def members(request: ApiRequest, collection_id: UUID) -> QuerySet[Membership]:
    """Only its owner sees them."""
    return member_list(collection=own(request, collection_id))


@router.post("/{collection_id}/members", response={201: MemberOut})
def add(request: ApiRequest, collection_id: UUID, body: MemberIn) -> Status[Membership]:
    """Lets somebody in by the name with which they sign in. Whoever is a member already may do from now on what is said here."""
    return Status(201, member_put(collection=own(request, collection_id), username=body.username, may_change=body.may_change))


@router.patch("/{collection_id}/members/{member_id}", response=MemberOut)
def change(request: ApiRequest, collection_id: UUID, member_id: UUID, body: MemberPatch) -> Membership:
    member = member_detail(collection=own(request, collection_id), member_id=member_id)
    member_change(member=member, may_change=body.may_change)
    return member


@router.delete("/{collection_id}/members/{member_id}", response={204: None})
def remove(request: ApiRequest, collection_id: UUID, member_id: UUID) -> Status[None]:
    """What the member has asked and added stays."""
    member_remove(member=member_detail(collection=own(request, collection_id), member_id=member_id))
    return Status(204, None)


@router.post("/{collection_id}/leave", response={204: None})
def leave(request: ApiRequest, collection_id: UUID) -> Status[None]:
    """The caller goes out of a collection that is shared with them."""
    collection = collection_detail(user=request.auth, collection_id=collection_id)
    if collection.owner_id == request.auth.pk:
        raise HttpError(409, "This collection is yours. Delete it, if you want it no more.")
    for member in member_list(collection=collection).filter(user=request.auth):
        member_remove(member=member)
    return Status(204, None)
