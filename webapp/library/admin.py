"""Collections, documents and pages for staff to look at. Owners delete them on their pages, which takes the files along."""

from __future__ import annotations

from django.contrib import admin

from webapp.core.admin import ReadOnlyAdmin
from webapp.library.models import Collection, Document, Membership, Page


@admin.register(Collection)
class CollectionAdmin(ReadOnlyAdmin):
    list_display = ("name", "owner", "created_at")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    date_hierarchy = "created_at"


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    list_display = ("collection", "user", "may_change", "created_at")
    list_filter = ("may_change",)
    list_select_related = ("collection", "user")
    search_fields = ("collection__name", "user__username")


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "collection",
        "kind",
        "state",
        "size_bytes",
        "page_count",
        "token_count",
        "indexed_token_count",
        "stored_token_count",
        "created_at",
    )
    list_filter = ("state", "kind", "is_archive")
    list_select_related = ("collection",)
    search_fields = ("name", "path", "collection__name", "error")
    date_hierarchy = "created_at"


@admin.register(Page)
class PageAdmin(ReadOnlyAdmin):
    list_display = ("document", "number", "start_char", "end_char", "has_text", "reading")
    list_filter = ("has_text", "reading")
    list_select_related = ("document",)
    search_fields = ("document__name",)
