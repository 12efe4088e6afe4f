"""Streams one chat completion from an OpenAI-compatible server: pieces of text, then how it ended. Knows no prompts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx2

from engine.remote.connection import Connection
from engine.remote.failures import ServerFailed, broke_off, told, unreachable
from engine.remote.stream import DONE, StreamWrong, objects
from engine.remote.ticks import in_ticks

TICK_SECONDS = 0.5
# Ends that are none: the server gave up, or held the rest back.
UNFINISHED = ("abort", "error", "content_filter")


@dataclass(frozen=True, slots=True)
class ServerUsage:
    """What the server counted, in its own tokens; None where it did not say. `cached_tokens` of the prompt were not read again."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The completion is whole, or `cut` because it reached the most tokens that it may have."""

    cut: bool
    usage: ServerUsage


def completion(connection: Connection, body: dict[str, Any]) -> Generator[str | Ended | None, None, None]:
    """The pieces of one completion's text, then Ended; None now and then while nothing comes. Closing it ends the request.

    Raises PromptTooLong, only before the first piece, and ServerFailed whenever the server fails.
    """
    request = body | {"stream": True, "stream_options": {"include_usage": True}}
    return in_ticks(_streamed(connection, request), TICK_SECONDS)


async def _streamed(connection: Connection, request: dict[str, Any]) -> AsyncGenerator[str | Ended, None]:
    said = False
    try:
        async with aclosing(_told(connection, request)) as pieces:
            async for piece in pieces:
                said = True
                yield piece
    except (StreamWrong, httpx2.HTTPError, ServerFailed) as error:
        failed = _in_words(connection, error)
        raise (ServerFailed(f"{failed} What it said before is not the whole answer.") if said else failed) from error


async def _told(connection: Connection, request: dict[str, Any]) -> AsyncGenerator[str | Ended, None]:
    finish, usage = "", ServerUsage()
    async with (
        connection.opened("POST", f"{connection.address.url}/chat/completions", request) as response,
        aclosing(connection.pieces(response)) as pieces,
        aclosing(objects(pieces)) as events,
    ):
        async for event in events:
            if event is DONE:
                finish = finish or "stop"
            elif event.get("error"):
                raise told(connection.address, event)
            choice = _first(event.get("choices"))
            usage = _usage(event) or usage
            finish = str(choice.get("finish_reason") or finish)
            if text := _text(choice):
                yield text
    if not finish or finish in UNFINISHED:
        raise StreamWrong(f"its end is “{finish[:40]}”" if finish else "it has no end")
    yield Ended(finish == "length", usage)


def _in_words(connection: Connection, error: Exception) -> ServerFailed:
    if isinstance(error, ServerFailed):
        return error
    return unreachable(connection.address, error) if isinstance(error, httpx2.HTTPError) else broke_off(connection.address, str(error))


def _text(choice: dict[str, Any]) -> str:
    """What the answer gained; a model's thoughts come under other names and are not the answer."""
    delta = choice.get("delta")
    text = delta.get("content") if isinstance(delta, dict) else None
    return text if isinstance(text, str) else ""


def _usage(event: dict[str, Any]) -> ServerUsage | None:
    usage = event.get("usage")
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return ServerUsage(_count(usage.get("prompt_tokens")), _count(cached))


def _first(choices: Any) -> dict[str, Any]:
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None
