"""Setting up, signing in and out, the password, where one is signed in, the tokens of programs."""

from __future__ import annotations

import math
from uuid import UUID

from django.contrib import auth, messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext, ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.forms import EmailForm, PasswordForm, SetupForm, TokenForm
from webapp.accounts.models import Scope
from webapp.accounts.requests import UserRequest
from webapp.accounts.selectors import has_users, token_detail, token_list
from webapp.accounts.services import SetupDone, first_account_create, token_create, token_delete
from webapp.accounts.signing_in import sign_in_detail, sign_in_end, sign_in_list, sign_in_note, sign_ins_end, wait_seconds
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
    if request.method == "POST" and (wait := wait_seconds(request, request.POST.get("username", ""))):
        return _wait(request, wait)
    return LoginView.as_view(template_name="accounts/login.html", redirect_authenticated_user=True)(request)


def _wait(request: HtmxHttpRequest, seconds: float) -> HttpResponse:
    """Says how long, whether the password was right or not."""
    minutes = max(1, math.ceil(seconds / 60))
    refusal = ngettext(
        "Too many failed attempts. Wait {n} minute, then try again; or set a new password.",
        "Too many failed attempts. Wait {n} minutes, then try again; or set a new password.",
        minutes,
    ).format(n=minutes)
    context = {"form": AuthenticationForm(request), "refusal": refusal, "next": request.POST.get("next", "")}
    response = render_page(request, "accounts/login.html", context, status=429)
    response["Retry-After"] = str(math.ceil(seconds))
    return response


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
    sign_ins_end(user=request.user, but=request.session.session_key or "")
    sign_in_note(request, request.user)
    messages.success(request, gettext("Your password is changed, and every other browser is signed out."))
    return redirect("accounts-account")


@login_required
@require_POST
def token_new(request: UserRequest) -> HttpResponse:
    """Answers with the page itself and not with a redirect: the token is shown this once."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _account(request, token_form=form)
    data = form.cleaned_data
    row, token = token_create(owner=request.user, name=data["name"], scope=data["scope"] or Scope.WRITE, days=data["days"] or 0)
    return _account(request, new_token=token, new_row=row)


@login_required
@require_POST
def token_remove(request: UserRequest, token_id: UUID) -> HttpResponse:
    token = token_detail(owner=request.user, token_id=token_id)
    token_delete(token=token)
    messages.success(request, gettext("The token “{name}” no longer works.").format(name=token.name))
    return redirect("accounts-account")


@login_required
@require_POST
def email(request: UserRequest) -> HttpResponse:
    form = EmailForm(request.POST, instance=request.user)
    if not form.is_valid():
        return _account(request, email_form=form)
    form.save()
    messages.success(request, gettext("Your e-mail address is saved."))
    return redirect("accounts-account")


@login_required
@require_POST
def session_end(request: UserRequest, sign_in_id: UUID) -> HttpResponse:
    sign_in_end(sign_in=sign_in_detail(user=request.user, sign_in_id=sign_in_id))
    messages.success(request, gettext("That browser is signed out."))
    return redirect("accounts-account")


@login_required
@require_POST
def sessions_end(request: UserRequest) -> HttpResponse:
    ended = sign_ins_end(user=request.user, but=request.session.session_key or "")
    messages.success(request, ngettext("{n} other browser is signed out.", "{n} other browsers are signed out.", ended).format(n=ended))
    return redirect("accounts-account")


def _account(request: UserRequest, **shown: object) -> HttpResponse:
    forms = {"password_form": PasswordForm(request.user), "token_form": TokenForm(), "email_form": EmailForm(instance=request.user)}
    rows = {"tokens": token_list(owner=request.user), "sign_ins": sign_in_list(user=request.user)}
    return render_page(request, "accounts/account.html", {**forms, **rows, "here": request.session.session_key, **shown})
