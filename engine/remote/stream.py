"""The server-sent events of a chat completion: bytes -> JSON objects. Knows no connection and no meaning of the objects."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

MOST_LINE_BYTES = 1 << 20
MOST_STREAM_BYTES = 64 << 20
# The event that ends a stream.
DONE: dict[str, Any] = {}


class StreamWrong(Exception):
    """What came is no stream of JSON objects; the message says how, in a few words."""


async def objects(pieces: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any], None]:
    """Each event's object; DONE itself at `[DONE]`, and nothing after it. Comments and other fields are passed over. Raises StreamWrong."""
    async with aclosing(_lines(pieces)) as lines:
        async for line in lines:
            data = line[5:].strip() if line.startswith(b"data:") else b""
            if data == b"[DONE]":
                yield DONE
                return
            if data:
                yield _object(data)


def _object(data: bytes) -> dict[str, Any]:
    try:
        told = json.loads(data.decode("utf-8"))
    except ValueError:
        raise StreamWrong("a line that is not JSON in UTF-8") from None
    if not isinstance(told, dict):
        raise StreamWrong("a line that is not a JSON object")
    return told


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Lines without their ends, the last one too. Raises StreamWrong for one, or a whole, that is too long."""
    held, count = b"", 0
    async for piece in pieces:
        count += len(piece)
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r")
        if len(held) > MOST_LINE_BYTES or count > MOST_STREAM_BYTES:
            raise StreamWrong("more than an answer can be")
    yield held
