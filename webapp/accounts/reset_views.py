"""Setting a new password for one that is forgotten: a link by mail where there is a mail server, from an operator otherwise."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import PasswordResetConfirmView, PasswordResetView
from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse_lazy
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from webapp.accounts.models import User
from webapp.accounts.signing_in import address_of, sign_ins_end
from webapp.core import counting
from webapp.core.rendering import HtmxHttpRequest, render_page

MOST_MAILS = 5
WINDOW_SECONDS = 15 * 60


@require_http_methods(["GET", "POST"])
def forgotten(request: HtmxHttpRequest) -> HttpResponseBase:
    """Asks for the address; says the same whether there is such an account or not."""
    if not settings.EMAIL_HOST:
        return render_page(request, "accounts/forgotten.html", {"mails": False})
    if request.method == "POST":
        if counting.count(f"reset:{address_of(request)}", WINDOW_SECONDS) > MOST_MAILS:
            return _too_often(request)
        messages.success(request, gettext("If there is an account with this address, a link is on its way to it."))
    view = PasswordResetView.as_view(
        template_name="accounts/forgotten.html",
        email_template_name="accounts/reset_mail.txt",
        subject_template_name="accounts/reset_subject.txt",
        success_url=reverse_lazy("accounts-login"),
        extra_context={"mails": True},
    )
    return view(request)


def _too_often(request: HtmxHttpRequest) -> HttpResponse:
    messages.error(request, gettext("Too many links were asked for from here. Wait a quarter of an hour."))
    response = render_page(request, "accounts/forgotten.html", {"mails": True}, status=429)
    response["Retry-After"] = str(round(counting.seconds_left(WINDOW_SECONDS)) + 1)
    return response


class _SetView(PasswordResetConfirmView):
    """Whoever knew the old password is signed out everywhere."""

    template_name = "accounts/reset.html"
    success_url = reverse_lazy("accounts-login")

    def form_valid(self, form: object) -> HttpResponse:
        response = super().form_valid(form)  # type: ignore[arg-type]
        if isinstance(self.user, User):
            sign_ins_end(user=self.user)
        messages.success(self.request, gettext("Your new password is set. Sign in with it."))
        return response


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def reset(request: HtmxHttpRequest, uidb64: str, token: str) -> HttpResponseBase:
    """The new password. A link that was used or is older than a day says so.

    The form stands at an address without the token. With no-referrer a browser sends the form from the origin "null", which is refused.
    """
    return _SetView.as_view()(request, uidb64=uidb64, token=token)
