"""Checklists and their sweeps for staff to look at."""

from __future__ import annotations

from django.contrib import admin

from webapp.checklist.models import Cell, Checklist, Sweep, SweptDocument, Verdict
from webapp.core.admin import ReadOnlyAdmin


@admin.register(Checklist)
class ChecklistAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "collection", "owner", "created_at")
    list_select_related = ("collection", "owner")
    search_fields = ("owner__username", "collection__name")
    date_hierarchy = "created_at"


@admin.register(Sweep)
class SweepAdmin(ReadOnlyAdmin):
    list_display = ("checklist", "state", "model", "mode", "created_at")
    list_filter = ("state", "model", "mode")
    list_select_related = ("checklist",)
    search_fields = ("error", "checklist__owner__username")
    date_hierarchy = "created_at"


@admin.register(SweptDocument)
class SweptDocumentAdmin(ReadOnlyAdmin):
    list_display = ("path", "sweep", "token_count", "left_out")
    list_select_related = ("sweep__checklist",)
    search_fields = ("path", "left_out")


@admin.register(Cell)
class CellAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "document", "question", "found", "confidence", "created_at")
    list_filter = ("found",)
    list_select_related = ("document",)
    search_fields = ("answer", "error", "document__path")


@admin.register(Verdict)
class VerdictAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "cell", "person", "updated_at")
    list_filter = ("judgement",)
    list_select_related = ("cell", "person")
    search_fields = ("note", "person__username")
    date_hierarchy = "updated_at"
