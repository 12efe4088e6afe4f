"""The request of somebody who is signed in, for the signatures of views behind `login_required`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponseBase

from webapp.accounts.models import User
from webapp.core.rendering import HtmxHttpRequest


class UserRequest(HtmxHttpRequest):
    user: User


def operators_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For others than operators the address does not exist."""

    @login_required
    @wraps(view)
    def checked(request: UserRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not request.user.is_staff:
            raise Http404
        return view(request, *args, **kwargs)

    return checked
