"""Jobs, workers and readings of the disk for staff to look at; the jobs page cancels and retries."""

from __future__ import annotations

from django.contrib import admin

from webapp.core.admin import ReadOnlyAdmin
from webapp.jobs.models import DiskReading, Job, Worker


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("label", "kind", "state", "stage", "done", "total", "attempt", "worker", "owner", "created_at", "ended_at")
    list_filter = ("state", "kind")
    list_select_related = ("owner",)
    search_fields = ("label", "owner__username", "worker", "error")
    date_hierarchy = "created_at"


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "queue", "pid", "started_at", "seen_at", "stopped_at")
    list_filter = ("queue",)
    search_fields = ("name",)


@admin.register(DiskReading)
class DiskReadingAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "free_bytes", "total_bytes")
    date_hierarchy = "created_at"
