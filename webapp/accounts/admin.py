"""Accounts for staff: users can be added, changed and switched off; tokens can be taken back. No salt and no digest is ever shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from webapp.accounts.models import ApiToken, Invitation, SignIn, User
from webapp.core.admin import ReadOnlyAdmin, never


@admin.register(User)
class AccountAdmin(UserAdmin):
    list_display = ("username", "email", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    readonly_fields = ("last_login", "date_joined")
    # An account is switched off instead: deleting the row would leave the files of its documents behind.
    has_delete_permission = never


class TakenBackAdmin(ReadOnlyAdmin):
    """Rows that may be deleted here, which takes them back."""

    def has_delete_permission(self, *arguments: Any, **named: Any) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, *arguments, **named)


@admin.register(Invitation)
class InvitationAdmin(TakenBackAdmin):
    list_display = ("note", "prefix", "owner", "is_operator", "created_at", "expires_at", "used_by")
    list_select_related = ("owner", "used_by")
    search_fields = ("note", "prefix", "owner__username")
    fields = ("owner", "note", "is_operator", "prefix", "created_at", "expires_at", "used_by")


@admin.register(SignIn)
class SignInAdmin(ReadOnlyAdmin):
    list_display = ("user", "address", "browser", "created_at")
    list_select_related = ("user",)
    search_fields = ("user__username", "address")
    fields = ("user", "address", "browser", "created_at")


@admin.register(ApiToken)
class ApiTokenAdmin(TakenBackAdmin):
    list_display = ("name", "prefix", "scope", "owner", "created_at", "expires_at", "last_used_at")
    list_filter = ("created_at", "last_used_at")
    list_select_related = ("owner",)
    search_fields = ("name", "prefix", "owner__username")
    fields = ("owner", "name", "prefix", "scope", "created_at", "expires_at", "last_used_at")
