"""The operators' page: every job, the workers, the queues. For others than staff it does not exist."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

import redis
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.requests import UserRequest
from webapp.core.rendering import render_page
from webapp.jobs.models import JobState
from webapp.jobs.queues import queue_depths
from webapp.jobs.selectors import JOBS_SHOWN, job_counts, job_detail, job_list, job_progress
from webapp.jobs.services import job_cancel, job_retry
from webapp.jobs.workers import worker_list


def staff_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @login_required
    @wraps(view)
    def checked(request: UserRequest, *args: object, **kwargs: object) -> HttpResponse:
        if not request.user.is_staff:
            raise Http404
        return view(request, *args, **kwargs)

    return checked


@staff_only
@require_GET
def jobs(request: UserRequest) -> HttpResponse:
    state = request.GET.get("state", "")
    state = state if state in JobState.values else ""
    rows = [(job, job_progress(job)) for job in job_list(state=state)[:JOBS_SHOWN]]
    context = {"rows": rows, "counts": job_counts(), "state": state, "shown": JOBS_SHOWN, **_machinery()}
    return render_page(request, "jobs/jobs.html", context, fragments=("jobs",))


def _machinery() -> dict[str, Any]:
    try:
        return {"workers": worker_list(), "queues": queue_depths(), "broker_answers": True}
    except redis.RedisError:
        return {"workers": [], "queues": {}, "broker_answers": False}


@staff_only
@require_POST
def retry(request: UserRequest, job_id: UUID) -> HttpResponse:
    job = job_detail(job_id=job_id)
    if job_retry(job=job):
        messages.success(request, f"“{job}” is queued again.")
    else:
        messages.error(request, f"“{job}” is {job.get_state_display()} and cannot be tried again.")
    return redirect("jobs-list")


@staff_only
@require_POST
def cancel(request: UserRequest, job_id: UUID) -> HttpResponse:
    job = job_detail(job_id=job_id)
    if job_cancel(job=job):
        messages.success(request, f"“{job}” is cancelled.")
    else:
        messages.error(request, f"“{job}” has ended already.")
    return redirect("jobs-list")
