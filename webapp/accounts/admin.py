"""Accounts for staff: users can be added, changed and switched off; tokens can be taken back. No salt and no digest is ever shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from webapp.accounts.models import ApiToken, User
from webapp.core.admin import ReadOnlyAdmin, never


@admin.register(User)
class AccountAdmin(UserAdmin):
    list_display = ("username", "email", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    readonly_fields = ("last_login", "date_joined")
    # An account is switched off instead: deleting the row would leave the files of its documents behind.
    has_delete_permission = never


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = ("name", "prefix", "owner", "created_at", "last_used_at")
    list_filter = ("created_at", "last_used_at")
    list_select_related = ("owner",)
    search_fields = ("name", "prefix", "owner__username")
    fields = ("owner", "name", "prefix", "created_at", "last_used_at")

    def has_delete_permission(self, *arguments: Any, **named: Any) -> bool:
        """Deleting a token takes it back."""
        return admin.ModelAdmin.has_delete_permission(self, *arguments, **named)
