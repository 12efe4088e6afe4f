"""Whether the model server that LONGREAD_ENGINE_URL names can be used: asked at most every half minute, and never waited for long."""

from __future__ import annotations

import time

from engine.errors import EngineError
from engine.remote.address import from_environment
from engine.remote.connection import Connection, Patience
from engine.remote.server import describe

ASKED_SECONDS = 30.0
BRIEF = Patience(connect_s=2.0, silence_s=2.0, whole_s=2.5, pauses_s=())


class ServerWatch:
    """Remembers for a while what became of asking the server."""

    def __init__(self) -> None:
        self._failed: EngineError | None = None
        self._asked = float("-inf")

    async def look(self) -> None:
        """Nothing where the server answers, or where there is none to ask. Raises an EngineError that says what to do."""
        if time.monotonic() - self._asked > ASKED_SECONDS:
            self._failed = await _failure()
            self._asked = time.monotonic()
        if self._failed is not None:
            raise self._failed


async def _failure() -> EngineError | None:
    try:
        if address := from_environment():
            await describe(Connection(address, BRIEF))
    except EngineError as error:
        return error
    return None
