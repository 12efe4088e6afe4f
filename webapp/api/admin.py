"""What the API remembers, for staff to look at."""

from __future__ import annotations

from django.contrib import admin

from webapp.api.models import PartialUpload, Reply
from webapp.core.admin import ReadOnlyAdmin


@admin.register(PartialUpload)
class PartialUploadAdmin(ReadOnlyAdmin):
    list_display = ("name", "collection", "owner", "size_bytes", "created_at", "updated_at")
    list_select_related = ("collection", "owner")
    search_fields = ("name", "owner__username")


@admin.register(Reply)
class ReplyAdmin(ReadOnlyAdmin):
    list_display = ("key", "owner", "status", "created_at")
    list_select_related = ("owner",)
    search_fields = ("key", "owner__username")
