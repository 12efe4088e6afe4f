"""An answer as it comes, for programs: server-sent events whose data is JSON; or, for those that would rather wait, its end."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse

from webapp.ask import event_log
from webapp.ask.live import live_events, release
from webapp.ask.models import Answer, Question
from webapp.ask.records import question_record
from webapp.ask.services import ENDED

LOOKED_SECONDS = 0.2


def stream_response(question: Question, after: str) -> StreamingHttpResponse:
    """located, token, citation and restart with what they bring, then done with the record of the question."""
    response = StreamingHttpResponse(_events(question.id, question.answer.id, after), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    release()
    return response


async def _events(question_id: UUID, answer_id: UUID, after: str) -> AsyncIterator[str]:
    async for event in live_events(answer_id, after):
        if event is None:
            yield ": still here\n\n"
            continue
        data = await _record(question_id) if event.name == event_log.END else json.dumps(event.data)
        yield f"id: {event.id}\nevent: {event.name}\ndata: {data}\n\n"


@sync_to_async
def _record(question_id: UUID) -> str:
    """`null` where it was deleted meanwhile."""
    try:
        question = Question.objects.select_related("answer").filter(id=question_id).first()
        return json.dumps(question_record(question) if question else None, cls=DjangoJSONEncoder)
    finally:
        release()


def wait_for_end(*, answer: Answer, seconds: float) -> bool:
    """Whether it ended in that time."""
    deadline = time.monotonic() + seconds
    while not Answer.objects.filter(id=answer.id, state__in=ENDED).exists():
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOKED_SECONDS)
    return True
