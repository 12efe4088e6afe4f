"""/healthz: whether the parts that this process needs answer, and what does not work while one of them is down.

For load balancers and operators; open to all, so it names no host, no path and no version. Knows nothing of workers:
the jobs page shows those.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from engine.remote.address import is_named
from webapp.core.broker import async_broker
from webapp.core.model_server import ServerWatch

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 3
LEAST_FREE_BYTES = 500 * 10**6


class PartDown(Exception):
    """A part answers, and says that it cannot do its work."""


@dataclass(frozen=True, slots=True)
class Part:
    """`probe` raises when the part is down; `breaks` says what people then notice."""

    name: str
    probe: Callable[[], Awaitable[None]]
    breaks: str


@require_safe
async def healthz(_request: HttpRequest) -> JsonResponse:
    """200 if every part answers, 503 if one does not."""
    needed = (*PARTS, MODEL_SERVER) if is_named() else PARTS
    up = await asyncio.gather(*(_is_up(part) for part in needed))
    parts = {part.name: {"ok": True} if ok else {"ok": False, "breaks": part.breaks} for part, ok in zip(needed, up, strict=True)}
    response = JsonResponse({"ok": all(up), "parts": parts}, status=200 if all(up) else 503)
    response["Cache-Control"] = "no-store"
    return response


async def _is_up(part: Part) -> bool:
    """Any error means down: its text goes to the log and not into the answer, for it may hold an address or a password."""
    try:
        await asyncio.wait_for(part.probe(), PATIENCE_SECONDS)
    except Exception as error:
        logger.warning("The %s does not answer: %r", part.name, error)
        return False
    return True


@sync_to_async
def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


async def _broker() -> None:
    client = async_broker()
    try:
        await client.ping()
    finally:
        await client.aclose()


async def _disk() -> None:
    free = shutil.disk_usage(settings.LONGREAD_HOME).free
    if free < LEAST_FREE_BYTES:
        raise PartDown(f"{free:,} bytes are free")


PARTS = (
    Part("database", _database, "No page can be shown and nothing is saved."),
    Part("broker", _broker, "Uploads wait unread, questions wait unanswered, and answers do not stream. They go on when it is back."),
    Part("disk", _disk, "Less than 500 MB are free: uploads may be refused, and read documents may not be stored."),
)
MODEL_SERVER = Part("model server", ServerWatch().look, "Questions fail, and say why. Uploads and everything else go on.")
