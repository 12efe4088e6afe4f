"""The events of an answer in a Redis stream, so that any number of pages can follow it, from the start or from where they were cut off.

A view of the answer and not the answer: that is in the rows, and the log goes an hour after it was last written.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis.asyncio import Redis as AsyncRedis

from webapp.core.broker import broker

KEPT_SECONDS = 60 * 60
# The answer's end, whichever it was: the page then shows the saved answer.
END = "done"


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """`id` is the stream's own: later events have larger ones. `data` is what was written."""

    id: str
    name: str
    data: dict[str, Any]


def write(answer_id: UUID, name: str, data: dict[str, Any]) -> None:
    stream = key(answer_id)
    broker().xadd(stream, {"name": name, "data": json.dumps(data)})
    broker().expire(stream, KEPT_SECONDS)


async def follow(redis: AsyncRedis, answer_id: UUID, after: str, wait_ms: int) -> AsyncIterator[LoggedEvent | None]:
    """Events after the given id, as they come; None each time that nothing came for `wait_ms`. Ends after END."""
    last = after
    while True:
        # [[stream, [(id, {field: value})]]], or nothing when the time is up; the client's own types say less.
        answer: Any = await redis.xread({key(answer_id): last}, block=wait_ms, count=200)
        if not answer:
            yield None
            continue
        for event_id, fields in answer[0][1]:
            last = event_id.decode()
            event = LoggedEvent(last, fields[b"name"].decode(), json.loads(fields[b"data"]))
            yield event
            if event.name == END:
                return


def request_stop(answer_id: UUID) -> None:
    broker().set(_stop_key(answer_id), 1, ex=KEPT_SECONDS)


def stop_requested(answer_id: UUID) -> bool:
    return bool(broker().exists(_stop_key(answer_id)))


def key(answer_id: UUID) -> str:
    return f"longread:answer:{answer_id}"


def _stop_key(answer_id: UUID) -> str:
    return f"longread:answer:{answer_id}:stop"
