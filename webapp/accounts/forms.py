"""Forms of the account pages; Django's own do the checking."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm, PasswordChangeForm
from django.http import QueryDict

from webapp.accounts.models import ApiToken, User


class SetupForm(BaseUserCreationForm):
    class Meta:
        model = User
        fields = ("username",)


class PasswordForm(PasswordChangeForm):
    """Django's, but the page that holds it does not begin with it."""

    def __init__(self, user: User, data: QueryDict | None = None) -> None:
        super().__init__(user, data)
        self.fields["old_password"].widget.attrs.pop("autofocus", None)


class TokenForm(forms.ModelForm):
    class Meta:
        model = ApiToken
        fields = ("name",)
        widgets = {"name": forms.TextInput(attrs={"placeholder": "What will use it?", "autocomplete": "off"})}
