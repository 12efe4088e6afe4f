"""What the engines are and do, on the way from the workers that have them to whoever shows it: said every few seconds in the broker.

An engine that cannot be opened says why instead. Knows no page.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from django.utils import timezone

from engine.access import get_engine
from engine.errors import EngineError
from engine.events import EngineStatus
from webapp.core.broker import broker
from webapp.core.model_files import model_folder

logger = logging.getLogger(__name__)

PREFIX = "longread:engine:"
KEPT_SECONDS = 30
_KNOWN = {field.name for field in fields(EngineStatus)}


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """What the engine of `worker` said last: its status, or why it has none."""

    worker: str
    said_at: datetime
    status: EngineStatus | None
    error: str

    @property
    def store_share(self) -> float:
        """How much of the store's budget is taken, 0 to 1."""
        status = self.status
        return min(1.0, status.store_bytes / status.store_budget_bytes) if status and status.store_budget_bytes else 0.0

    @property
    def hit_share(self) -> float | None:
        """How many of the records that were asked for were there; None where none was."""
        asked = self.status.store_hits + self.status.store_misses if self.status else 0
        return self.status.store_hits / asked if self.status and asked else None


def tell(worker: str) -> None:
    """Says what this process's engine does; opens it if that has not been done."""
    try:
        status = get_engine(model_folder(), settings.LONGREAD_STORE, settings.LONGREAD_STORE_BYTES).status()
        publish(worker, status)
    except EngineError as error:
        publish(worker, None, str(error))
    except Exception:
        # A thread that only tells must not end at a fault that the engine's own callers show.
        logger.exception("The engine of %s could not be asked what it does.", worker)


def publish(worker: str, status: EngineStatus | None, error: str = "") -> None:
    value = {"worker": worker, "said_at": timezone.now().isoformat(), "status": asdict(status) if status else None, "error": error}
    try:
        broker().set(PREFIX + worker, json.dumps(value), ex=KEPT_SECONDS)
    except redis.RedisError as error_:
        logger.warning("What the engine does could not be told: %s", error_)


def engine_figures() -> list[EngineFigures]:
    """Of every engine that was heard lately. Raises redis.RedisError where the broker does not answer."""
    keys = sorted(broker().scan_iter(f"{PREFIX}*"))
    return [_figures(json.loads(value)) for value in broker().mget(keys) if value] if keys else []


def _figures(value: dict[str, Any]) -> EngineFigures:
    """A worker of another version may say more or less."""
    said = value["status"]
    status = EngineStatus(**{name: given for name, given in said.items() if name in _KNOWN}) if said else None
    return EngineFigures(value["worker"], datetime.fromisoformat(value["said_at"]), status, value["error"])
