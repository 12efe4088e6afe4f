"""Forms of the account pages; Django's own do the checking."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm, PasswordChangeForm
from django.http import QueryDict
from django.utils.translation import gettext_lazy

from webapp.accounts.models import ApiToken, Scope, User

# For how many days a token may work; 0: until it is deleted.
LIVES = ((30, gettext_lazy("for 30 days")), (365, gettext_lazy("for a year")), (0, gettext_lazy("until it is deleted")))


ROLES = (("user", gettext_lazy("user")), ("operator", gettext_lazy("operator: sees the dashboard, invites others")))


class SetupForm(BaseUserCreationForm):
    class Meta:
        model = User
        fields = ("username",)


class PasswordForm(PasswordChangeForm):
    """Django's, but the page that holds it does not begin with it."""

    def __init__(self, user: User, data: QueryDict | None = None) -> None:
        super().__init__(user, data)
        self.fields["old_password"].widget.attrs.pop("autofocus", None)


class JoinForm(BaseUserCreationForm):
    class Meta:
        model = User
        fields = ("username", "email")


class EmailForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("email",)


class InvitationForm(forms.Form):
    note = forms.CharField(label=gettext_lazy("For whom?"), max_length=80, required=False)
    role = forms.ChoiceField(label=gettext_lazy("As"), choices=ROLES)


class TokenForm(forms.ModelForm):
    days = forms.TypedChoiceField(label=gettext_lazy("Works for"), coerce=int, choices=LIVES, initial=365, required=False)
    scope = forms.ChoiceField(label=gettext_lazy("It may"), choices=Scope.choices, initial=Scope.WRITE, required=False)

    class Meta:
        model = ApiToken
        fields = ("name",)
        widgets = {"name": forms.TextInput(attrs={"placeholder": gettext_lazy("What will use it?"), "autocomplete": "off"})}
