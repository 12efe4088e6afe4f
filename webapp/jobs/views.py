"""The page of jobs: everybody's for operators, their own for others; trying again and cancelling."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.requests import UserRequest
from webapp.core.rendering import render_page
from webapp.jobs.models import JobState
from webapp.jobs.selectors import JOBS_A_PAGE, job_counts, job_detail, job_list, job_progress
from webapp.jobs.services import job_cancel, job_retry

MOST_WORDS = 200


@login_required
@require_GET
def jobs(request: UserRequest) -> HttpResponse:
    state, words = request.GET.get("state", ""), request.GET.get("q", "").replace("\x00", "").strip()[:MOST_WORDS]
    state = state if state in JobState.values else ""
    found = Paginator(job_list(viewer=request.user, state=state, words=words), JOBS_A_PAGE).get_page(request.GET.get("page"))
    rows = [(job, job_progress(job)) for job in found.object_list]
    context: dict[str, object] = {"rows": rows, "found": found, "counts": job_counts(viewer=request.user), "state": state, "words": words}
    context |= {"state_label": JobState(state).label if state else ""}
    return render_page(request, "jobs/jobs.html", context, fragments=("jobs",))


@login_required
@require_POST
def retry(request: UserRequest, job_id: UUID) -> HttpResponse:
    job = job_detail(viewer=request.user, job_id=job_id)
    if job_retry(job=job):
        messages.success(request, gettext("“{job}” is queued again.").format(job=job))
    else:
        said = gettext("“{job}” is {state} and cannot be tried again.")
        messages.error(request, said.format(job=job, state=job.get_state_display()))
    return _back(request)


@login_required
@require_POST
def cancel(request: UserRequest, job_id: UUID) -> HttpResponse:
    job = job_detail(viewer=request.user, job_id=job_id)
    if job_cancel(job=job):
        messages.success(request, gettext("“{job}” is cancelled.").format(job=job))
    else:
        messages.error(request, gettext("“{job}” has ended already.").format(job=job))
    return _back(request)


def _back(request: UserRequest) -> HttpResponse:
    """To where the button was, if that is a page of ours."""
    came_from = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(came_from, allowed_hosts=None) and came_from.startswith("/")
    return redirect(came_from) if safe else redirect("jobs-list")
