"""The live view of an answer: server-sent events of HTML fragments, resumable by Last-Event-ID.

Async, so that a follower costs a connection and no thread; no database connection is held while waiting.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET

from webapp.accounts.models import User
from webapp.ask import event_log
from webapp.ask.models import Answer
from webapp.ask.templatetags.cited import streamed_token
from webapp.core.broker import async_broker
from webapp.library.access import reach

# Proxies close a connection that is silent; a comment keeps it open, and is the moment to look whether the answer has ended unseen.
QUIET_MS = 10_000
FIRST = "0-0"


@require_GET
async def answer_stream(request: HttpRequest, answer_id: UUID) -> StreamingHttpResponse:
    """Every event so far and then the new ones, until `done`. 404 for whoever may not see the answer."""
    user = await request.auser()
    if not user.is_authenticated or not await _visible(answer_id, user):
        raise Http404
    after = request.headers.get("Last-Event-ID", FIRST)
    response = StreamingHttpResponse(_events(answer_id, after if _is_event_id(after) else FIRST), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


def _is_event_id(text: str) -> bool:
    first, _, second = text.partition("-")
    return len(text) < 40 and first.isascii() and first.isdigit() and second.isascii() and second.isdigit()


async def _events(answer_id: UUID, after: str) -> AsyncIterator[str]:
    redis = async_broker()
    try:
        if after == FIRST and not await redis.exists(event_log.key(answer_id)) and await _ended(answer_id):
            yield _event(event_log.LoggedEvent("0-1", event_log.END, {}))
            return
        async for event in event_log.follow(redis, answer_id, after, QUIET_MS):
            if event is not None:
                yield _event(event)
            elif await _ended(answer_id):
                yield _event(event_log.LoggedEvent(after, event_log.END, {}))
                return
            else:
                yield ": still here\n\n"
    finally:
        await redis.aclose()


def _event(event: event_log.LoggedEvent) -> str:
    data = "".join(f"data: {line}\n" for line in _html(event).split("\n"))
    return f"id: {event.id}\nevent: {event.name}\n{data}\n"


def _html(event: event_log.LoggedEvent) -> str:
    match event.name:
        case "located":
            return render_to_string("ask/_located.html", event.data)
        case "token":
            return streamed_token(event.data["text"])
        case "citation":
            return render_to_string("ask/_citation.html", {"citation": event.data})
        case _:
            return ""


@sync_to_async
def _visible(answer_id: UUID, user: User) -> bool:
    try:
        return Answer.objects.filter(reach(user, via="question__collection"), id=answer_id).exists()
    finally:
        _release()


@sync_to_async
def _ended(answer_id: UUID) -> bool:
    try:
        return not Answer.objects.filter(id=answer_id).exists() or Answer.objects.get(id=answer_id).has_ended
    finally:
        _release()


def _release() -> None:
    close_old_connections()
    if not connection.in_atomic_block:
        connection.close()
