"""Setting up, signing in and out, the password, the tokens of programs."""

from __future__ import annotations

from uuid import UUID

from django.contrib import auth, messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.forms import PasswordForm, SetupForm, TokenForm
from webapp.accounts.requests import UserRequest
from webapp.accounts.selectors import has_users, token_detail, token_list
from webapp.accounts.services import SetupDone, first_account_create, token_create, token_delete
from webapp.core.rendering import HtmxHttpRequest, render_page


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def setup(request: HtmxHttpRequest) -> HttpResponse:
    """The first account. Once there is one, this page is gone."""
    if has_users():
        return redirect("accounts-login")
    form = SetupForm(request.POST or None)
    if not form.is_valid():
        return render_page(request, "accounts/setup.html", {"form": form})
    try:
        user = first_account_create(username=form.cleaned_data["username"], password=form.cleaned_data["password1"])
    except SetupDone as error:
        messages.error(request, str(error))
        return redirect("accounts-login")
    auth.login(request, user)
    return redirect("library-home")


@require_http_methods(["GET", "POST"])
def login(request: HtmxHttpRequest) -> HttpResponseBase:
    if not has_users():
        return redirect("accounts-setup")
    return LoginView.as_view(template_name="accounts/login.html", redirect_authenticated_user=True)(request)


@require_POST
def logout(request: HtmxHttpRequest) -> HttpResponse:
    auth.logout(request)
    return redirect("accounts-login")


@login_required
@require_GET
def account(request: UserRequest) -> HttpResponse:
    return _account(request)


@sensitive_post_parameters()
@login_required
@require_POST
def password(request: UserRequest) -> HttpResponse:
    form = PasswordForm(request.user, request.POST)
    if not form.is_valid():
        return _account(request, password_form=form)
    auth.update_session_auth_hash(request, form.save())
    messages.success(request, "Your password is changed.")
    return redirect("accounts-account")


@login_required
@require_POST
def token_new(request: UserRequest) -> HttpResponse:
    """Answers with the page itself and not with a redirect: the token is shown this once."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _account(request, token_form=form)
    row, token = token_create(owner=request.user, name=form.cleaned_data["name"])
    return _account(request, new_token=token, new_row=row)


@login_required
@require_POST
def token_remove(request: UserRequest, token_id: UUID) -> HttpResponse:
    token = token_detail(owner=request.user, token_id=token_id)
    token_delete(token=token)
    messages.success(request, f"The token “{token.name}” no longer works.")
    return redirect("accounts-account")


def _account(request: UserRequest, **shown: object) -> HttpResponse:
    forms = {"password_form": PasswordForm(request.user), "token_form": TokenForm()}
    return render_page(request, "accounts/account.html", {**forms, "tokens": token_list(owner=request.user), **shown})
