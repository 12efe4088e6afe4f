"""/jobs: what the workers do for the caller, and for the documents that the caller may see."""

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.paging import Pages
from webapp.api.schemas.jobs import JobOut
from webapp.jobs.models import Job
from webapp.jobs.selectors import jobs_of

router = Router(tags=["jobs"])


@router.get("", response=list[JobOut])
@paginate(Pages)
def jobs(request: ApiRequest) -> QuerySet[Job]:
    return jobs_of(user=request.auth)


@router.get("/{job_id}", response=JobOut)
def detail(request: ApiRequest, job_id: UUID) -> Job:
    return get_object_or_404(jobs_of(user=request.auth), id=job_id)
