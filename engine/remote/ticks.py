"""An asynchronous generator read from synchronous code that is never kept waiting for longer than a tick.

So whoever follows an answer can stop it while the server still reads the prompt: closing cancels the request. Knows no server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import TypeVar

T = TypeVar("T")


def in_ticks(items: AsyncGenerator[T, None], tick_s: float) -> Generator[T | None, None, None]:
    """What `items` give, and None each time that nothing came for `tick_s` seconds. Closing cancels what runs and waits for its end."""
    waiting: asyncio.Task[list[T]] | None = None
    with asyncio.Runner() as runner:
        try:
            while True:
                waiting = runner.run(_advance(items, waiting, tick_s))
                if not waiting.done():
                    yield None
                    continue
                if not (next_one := waiting.result()):
                    return
                waiting = None
                yield from next_one
        finally:
            runner.run(_close(items, waiting))


async def _advance(items: AsyncGenerator[T, None], waiting: asyncio.Task[list[T]] | None, tick_s: float) -> asyncio.Task[list[T]]:
    """The task that gets the next item, new or still at it; done, or a tick later."""
    task = waiting or asyncio.create_task(_next(items))
    await asyncio.wait({task}, timeout=tick_s)
    return task


async def _next(items: AsyncGenerator[T, None]) -> list[T]:
    """One item, or none at the end."""
    async for item in items:
        return [item]
    return []


async def _close(items: AsyncGenerator[T, None], waiting: asyncio.Task[list[T]] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.cancel()
        await asyncio.wait({waiting})
    await items.aclose()
