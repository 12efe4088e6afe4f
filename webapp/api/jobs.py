"""/jobs: what the workers do for the caller."""

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.paging import Pages
from webapp.api.schemas import JobOut
from webapp.jobs.models import Job

router = Router(tags=["jobs"])


@router.get("", response=list[JobOut])
@paginate(Pages)
def jobs(request: ApiRequest) -> QuerySet[Job]:
    return request.auth.jobs.all()


@router.get("/{job_id}", response=JobOut)
def detail(request: ApiRequest, job_id: UUID) -> Job:
    return get_object_or_404(request.auth.jobs.all(), id=job_id)
