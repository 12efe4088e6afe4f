"""Exports for staff to look at; not what is in them."""

from __future__ import annotations

from django.contrib import admin

from webapp.core.admin import ReadOnlyAdmin
from webapp.export.models import Export


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    list_display = ("file_name", "owner", "form", "pages", "size_bytes", "created_at", "expires_at")
    list_filter = ("form", "source")
    list_select_related = ("owner",)
    search_fields = ("file_name", "owner__username")
