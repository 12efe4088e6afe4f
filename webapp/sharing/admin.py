"""Links for staff to look at and take back. No digest is ever shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from webapp.core.admin import ReadOnlyAdmin
from webapp.sharing.models import AnswerLink


@admin.register(AnswerLink)
class AnswerLinkAdmin(ReadOnlyAdmin):
    list_display = ("prefix", "owner", "created_at", "expires_at", "opened_at")
    list_select_related = ("owner",)
    search_fields = ("prefix", "owner__username")
    fields = ("answer", "owner", "prefix", "created_at", "expires_at", "opened_at")

    def has_delete_permission(self, *arguments: Any, **named: Any) -> bool:
        """Deleting a link revokes it."""
        return admin.ModelAdmin.has_delete_permission(self, *arguments, **named)
