"""Light or dark: as the machine has it, unless somebody chose. The choice is the browser's, in a cookie, so it holds for strangers too."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

COOKIE = "appearance"
CHOICES = ("auto", "light", "dark")
KEPT_SECONDS = 365 * 24 * 60 * 60


def appearance(request: HttpRequest) -> dict[str, object]:
    """For every template: what was chosen, and what there is to choose."""
    chosen = request.COOKIES.get(COOKIE, "")
    return {"appearance": chosen if chosen in CHOICES else "auto", "appearances": CHOICES}


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """`appearance`: one of CHOICES; `next`: the page to go back to."""
    came_from, chosen = request.POST.get("next", ""), request.POST.get("appearance", "")
    safe = came_from.startswith("/") and url_has_allowed_host_and_scheme(came_from, allowed_hosts=None)
    response = redirect(came_from if safe else "library-home")
    if chosen in CHOICES:
        response.set_cookie(COOKIE, chosen, max_age=KEPT_SECONDS, samesite="Lax", httponly=True, secure=settings.HTTPS)
    return response
