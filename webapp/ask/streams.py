"""The live view of an answer: server-sent events of HTML fragments, resumable by Last-Event-ID.

Async, so that a follower costs a connection and no thread; no database connection is held while waiting.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET

from webapp.accounts.models import User
from webapp.ask import event_log
from webapp.ask.live import after_of, live_events, release
from webapp.ask.models import Question
from webapp.ask.templatetags.cited import streamed_token
from webapp.library.access import reach


@require_GET
async def answer_stream(request: HttpRequest, answer_id: UUID) -> StreamingHttpResponse:
    """Every event so far and then the new ones, until `done`. 404 for whoever may not see the answer."""
    user = await request.auser()
    question = await _question(answer_id, user) if user.is_authenticated else None
    if question is None:
        raise Http404
    after = after_of(request.headers.get("Last-Event-ID", ""))
    response = StreamingHttpResponse(_events(answer_id, question, after), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


async def _events(answer_id: UUID, question: Question, after: str) -> AsyncIterator[str]:
    async for event in live_events(answer_id, after):
        yield ": still here\n\n" if event is None else _event(event, question)


def _event(event: event_log.LoggedEvent, question: Question) -> str:
    data = "".join(f"data: {line}\n" for line in _html(event, question).split("\n"))
    return f"id: {event.id}\nevent: {event.name}\n{data}\n"


def _html(event: event_log.LoggedEvent, question: Question) -> str:
    match event.name:
        case "located":
            return render_to_string("ask/_located.html", event.data | {"question": question})
        case "token":
            return streamed_token(event.data["text"])
        case "citation":
            return render_to_string("ask/_citation.html", {"citation": event.data, "question": question})
        case _:
            return ""


@sync_to_async
def _question(answer_id: UUID, user: User) -> Question | None:
    """What the answer is to; None where the user may not see it."""
    try:
        return Question.objects.filter(reach(user), answer=answer_id).first()
    finally:
        release()
