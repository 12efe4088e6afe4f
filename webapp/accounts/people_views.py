"""The operators' page of accounts and invitations, and the page on which an invited person makes an account."""

from __future__ import annotations

from uuid import UUID

from django.contrib import auth, messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.forms import InvitationForm, JoinForm
from webapp.accounts.people import (
    INVITED_DAYS,
    ChangeRefused,
    account_create,
    active_set,
    invitation_by_token,
    invitation_create,
    invitation_delete,
    invitation_list,
    reset_path,
    role_set,
    user_detail,
    user_list,
)
from webapp.accounts.requests import UserRequest, operators_only
from webapp.core.rendering import HtmxHttpRequest, render_page


@operators_only
@require_GET
def people(request: UserRequest) -> HttpResponse:
    return _people(request)


@operators_only
@require_POST
def invite(request: UserRequest) -> HttpResponse:
    """Answers with the page itself and not with a redirect: the link is shown this once."""
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _people(request, invitation_form=form)
    is_operator = form.cleaned_data["role"] == "operator"
    row, token = invitation_create(owner=request.user, note=form.cleaned_data["note"], is_operator=is_operator)
    link = request.build_absolute_uri(reverse("accounts-join", args=[token]))
    return _people(request, new_link=link, new_link_for=row.note or gettext("the person you invite"), new_link_days=INVITED_DAYS)


@operators_only
@require_POST
def uninvite(request: UserRequest, invitation_id: UUID) -> HttpResponse:
    invitation_delete(invitation_id=invitation_id)
    messages.success(request, gettext("The invitation no longer works."))
    return redirect("accounts-people")


@operators_only
@require_POST
def change(request: UserRequest, user_id: int) -> HttpResponse:
    """`do` is operator, user, off, on, or reset."""
    user, what = user_detail(user_id=user_id), request.POST.get("do", "")
    try:
        if what in ("operator", "user"):
            role_set(user=user, by=request.user, is_operator=what == "operator")
        elif what in ("on", "off"):
            active_set(user=user, by=request.user, is_active=what == "on")
        elif what == "reset":
            return _people(request, new_link=request.build_absolute_uri(reset_path(user=user)), new_link_for=user, new_link_days=1)
    except ChangeRefused as error:
        messages.error(request, str(error))
    return redirect("accounts-people")


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def join(request: HtmxHttpRequest, token: str) -> HttpResponse:
    """The way in for one person. Whoever is signed in already is signed out by it."""
    invitation = invitation_by_token(token=token)
    form = JoinForm(request.POST or None)
    if not form.is_valid():
        return render_page(request, "accounts/join.html", {"form": form, "invitation": invitation})
    data = form.cleaned_data
    user = account_create(invitation=invitation, username=data["username"], email=data["email"], password=data["password1"])
    auth.login(request, user)
    return redirect("library-home")


def _people(request: UserRequest, **shown: object) -> HttpResponse:
    context = {"people": user_list(), "invitations": invitation_list(), "invitation_form": InvitationForm()}
    return render_page(request, "accounts/people.html", {**context, **shown})
