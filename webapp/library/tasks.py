"""Celery's side of deleting. Thin: the work is in webapp.library.forgetting."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_ready
from django.conf import settings

from engine.access import get_engine
from webapp.celery import app
from webapp.core.lane import Lane
from webapp.core.model_files import model_folder
from webapp.library import forgetting

_forgetting = Lane("forgetting")


@app.task(name="library.forget")
def forget() -> None:
    _forgetting.put("forget", _forget)


def _forget() -> None:
    forgetting.forget(get_engine(model_folder(), settings.LONGREAD_STORE, settings.LONGREAD_STORE_BYTES))


@worker_ready.connect
def forget_at_start(sender: Any, **_: object) -> None:
    """Celery's signal: what was discarded while no engine worker lived is forgotten now."""
    if "engine" in sender.app.amqp.queues.consume_from:
        forget.apply_async(queue="engine", priority=9)
