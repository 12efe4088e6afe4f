"""The request of somebody who is signed in, for the signatures of views behind `login_required`."""

from __future__ import annotations

from webapp.accounts.models import User
from webapp.core.rendering import HtmxHttpRequest


class UserRequest(HtmxHttpRequest):
    user: User
