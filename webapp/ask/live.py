"""The events of an answer as they come, for whoever shows them in whatever form. No database connection is held while waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection

from webapp.ask import event_log
from webapp.ask.event_log import LoggedEvent
from webapp.ask.models import Answer
from webapp.core.broker import async_broker

# Proxies close a connection that is silent; a sign of life keeps it open, and is the moment to look whether the answer has ended unseen.
QUIET_MS = 10_000
FIRST = "0-0"


def after_of(last_event_id: str) -> str:
    """What a follower has seen already, from the header that browsers send; the beginning where that says nothing."""
    first, _, second = last_event_id.partition("-")
    known = len(last_event_id) < 40 and first.isascii() and first.isdigit() and second.isascii() and second.isdigit()
    return last_event_id if known else FIRST


async def live_events(answer_id: UUID, after: str) -> AsyncIterator[LoggedEvent | None]:
    """Every event after the given one, and then the new ones, until END. None: nothing came for a while, and it goes on."""
    redis = async_broker()
    try:
        if after == FIRST and not await redis.exists(event_log.key(answer_id)) and await _ended(answer_id):
            yield LoggedEvent("0-1", event_log.END, {})
            return
        async for event in event_log.follow(redis, answer_id, after, QUIET_MS):
            if event is None and await _ended(answer_id):
                yield LoggedEvent(after, event_log.END, {})
                return
            yield event
    finally:
        await redis.aclose()


@sync_to_async
def _ended(answer_id: UUID) -> bool:
    try:
        return not Answer.objects.filter(id=answer_id).exists() or Answer.objects.get(id=answer_id).has_ended
    finally:
        release()


def release() -> None:
    """Gives the thread's database connection back, as a request does at its end; a stream's end may be an hour away."""
    if not connection.in_atomic_block:
        close_old_connections()
        connection.close()
