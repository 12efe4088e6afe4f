"""A POST that carries an `Idempotency-Key` is done once: the same key with the same request gets the same answer for a day.

With another request the key is refused (422), and while the first is still being answered too (409). Only what was done is kept: a request
that was refused may be sent again under its key. Knows no operation.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from ninja import NinjaAPI
from ninja.errors import HttpError

from webapp.accounts.models import User
from webapp.api.auth import TokenAuth
from webapp.api.models import Reply

KEPT = timedelta(days=1)
# A request that has not been answered after this long was cut off with its process.
GIVEN_UP = timedelta(minutes=10)
MOST_CHARACTERS = 200

# Fields of the answer to this request that are told once and kept nowhere.
UNKEPT = "_longread_unkept"

Run = Callable[..., HttpResponseBase]


def idempotent(api: NinjaAPI) -> Callable[[Run], Run]:
    """Wraps the whole of an operation, its authentication too."""

    def decorate(run: Run) -> Run:
        @wraps(run)
        def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            key = request.headers.get("Idempotency-Key")
            if request.method != "POST" or key is None:
                return run(request, *args, **kwargs)
            try:
                user = TokenAuth()(request)
                reply = _begin(user, key, request) if user else None
            except Exception as error:
                return api.on_exception(request, error)
            if reply is None or reply.status:
                return run(request, *args, **kwargs) if reply is None else _again(reply)
            return _keep(reply, run(request, *args, **kwargs), getattr(request, UNKEPT, ()))

        return answered

    return decorate


def unkept(request: HttpRequest, *fields: str) -> None:
    """For an operation: these fields of its answer are secrets, and are empty where it is answered again."""
    setattr(request, UNKEPT, fields)


def _begin(user: User, key: str, request: HttpRequest) -> Reply:
    """The row of this key: new, with status 0, or answered. Raises HttpError."""
    if not key.isprintable() or not 0 < len(key) <= MOST_CHARACTERS:
        raise HttpError(422, f"Idempotency-Key: 1 to {MOST_CHARACTERS} printable characters.")
    now, digest = timezone.now(), _digest(request)
    Reply.objects.filter(owner=user, created_at__lt=now - KEPT).delete()
    Reply.objects.filter(owner=user, key=key, status=0, created_at__lt=now - GIVEN_UP).delete()
    try:
        with transaction.atomic():
            return Reply.objects.create(owner=user, key=key, digest=digest)
    except IntegrityError:
        reply = Reply.objects.get(owner=user, key=key)
    if reply.digest != digest:
        raise HttpError(422, "This Idempotency-Key was sent with another request. Use a new one.")
    if not reply.status:
        raise HttpError(409, "The first request with this Idempotency-Key is still being answered. Try again in a moment.")
    return reply


def _keep(reply: Reply, response: HttpResponseBase, secrets: Sequence[str]) -> HttpResponseBase:
    if isinstance(response, HttpResponse) and response.status_code < 300:
        body = response.content.decode()
        if secrets:
            body = json.dumps(json.loads(body) | dict.fromkeys(secrets, ""))
        Reply.objects.filter(id=reply.id).update(status=response.status_code, body=body)
    else:
        reply.delete()
    return response


def _again(reply: Reply) -> HttpResponse:
    response = HttpResponse(reply.body, status=reply.status, content_type="application/json; charset=utf-8")
    response["Idempotency-Replayed"] = "true"
    return response


def _digest(request: HttpRequest) -> str:
    """Of what is asked: the boundary between files differs from one attempt to the next, and does not count. Keyed, since what is asked may
    hold a password."""
    digest = hmac.new(settings.SECRET_KEY.encode(), f"{request.method} {request.get_full_path()}\n".encode(), "sha256")
    if request.content_type != "multipart/form-data":
        digest.update(request.body)
        return digest.hexdigest()
    for field in sorted(request.FILES):
        for file in request.FILES.getlist(field):
            _add(digest, field, file)
    return digest.hexdigest()


def _add(digest: Any, field: str, file: UploadedFile) -> None:
    digest.update(f"{field} {file.name} {file.size}\n".encode())
    for piece in file.chunks():
        digest.update(piece)
    file.seek(0)
