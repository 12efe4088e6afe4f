"""Jobs for staff to look at; the jobs page cancels and retries them."""

from __future__ import annotations

from django.contrib import admin

from webapp.core.admin import ReadOnlyAdmin
from webapp.jobs.models import Job


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("label", "kind", "state", "stage", "done", "total", "attempt", "worker", "owner", "created_at", "ended_at")
    list_filter = ("state", "kind")
    list_select_related = ("owner",)
    search_fields = ("label", "owner__username", "worker", "error")
    date_hierarchy = "created_at"
