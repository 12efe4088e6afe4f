"""Forms of the account pages; Django's own do the checking."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm

from webapp.accounts.models import ApiToken, User


class SetupForm(BaseUserCreationForm):
    class Meta:
        model = User
        fields = ("username",)


class TokenForm(forms.ModelForm):
    class Meta:
        model = ApiToken
        fields = ("name",)
        widgets = {"name": forms.TextInput(attrs={"placeholder": "What will use it?", "autocomplete": "off"})}
