"""The operators' dashboard. For others than staff it does not exist."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_GET

from webapp.accounts.requests import UserRequest
from webapp.core.rendering import render_page
from webapp.core.versions import versions
from webapp.jobs.selectors import job_counts
from webapp.operate.charts import free_chart, wait_chart
from webapp.operate.not_ready import SHOWN, documents_not_ready, not_ready
from webapp.operate.selectors import FAILURES_SHOWN, failures, figures, taken

MOST_WORDS = 200


@login_required
@require_GET
def dashboard(request: UserRequest) -> HttpResponse:
    """The whole page, or what of it moves. `q` looks for documents that are not ready."""
    if not request.user.is_staff:
        raise Http404
    shown, words = figures(), request.GET.get("q", "").replace("\x00", "").strip()[:MOST_WORDS]
    context = {
        "figures": shown,
        "notices": shown.notices,
        "counts": job_counts(viewer=request.user),
        "wait_chart": wait_chart(shown.waits.hours),
        "free_chart": free_chart(shown.disk.readings, shown.disk.total_bytes),
        "taken": taken(),
        "not_ready": not_ready(shown.workers, words),
        "not_ready_count": documents_not_ready(words).count(),
        "not_ready_shown": SHOWN,
        "words": words,
        "failures": failures()[:FAILURES_SHOWN],
        "versions": versions(),
    }
    return render_page(request, "operate/dashboard.html", context, fragments=("dashboard",))
