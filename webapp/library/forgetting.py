"""Deleting what a document left outside the database: its files at once, and the engine's stored state as soon as the engine comes to it.

The store knows by a document's id what it keeps for it, so an empty file of that name waits for the engine, and nothing else. A message
that is lost does no harm: each `forget` takes all that waits, and every engine worker begins with one. A document that was being read in
the moment of its deletion may leave a last piece of state after the first time; so each is forgotten once more when that is surely over.
Knows no engine but the one it is given.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from kombu.exceptions import OperationalError

from engine.face import EngineFace
from ingest.storage import DocumentFolder
from webapp.celery import app

logger = logging.getLogger(__name__)

SETTLED_S = 60  # no slice of prefill lasts as long


def discard(folders: Sequence[DocumentFolder], salt: str) -> None:
    """Deletes the files of an owner's documents and asks the engine to forget what it stored for them."""
    forget_later([str(folder.id) for folder in folders], salt)
    for folder in folders:
        folder.delete()


def forget_later(document_ids: Sequence[str], salt: str) -> None:
    """Asks the engine to forget what it stored for these documents of an owner."""
    if not document_ids:
        return
    waiting = _waiting() / salt
    waiting.mkdir(parents=True, exist_ok=True)
    for document_id in document_ids:
        (waiting / document_id).touch()
    _ask_engine()


def _ask_engine() -> None:
    try:
        for countdown in (0, SETTLED_S + 1):
            app.send_task("library.forget", queue="engine", priority=9, retry=False, countdown=countdown)
    except OperationalError:
        logger.warning("The broker does not answer; the engine will forget deleted documents when its worker starts again.")


def forget(engine: EngineFace) -> int:
    """Deletes the stored state of everything that was discarded. Returns how many documents that were."""
    count = 0
    for owner in _waiting().glob("*"):
        if not (waiting := list(owner.glob("*"))):
            continue
        engine.forget([path.name for path in waiting], owner.name)
        for path in waiting:
            if time.time() - path.stat().st_mtime > SETTLED_S:
                _remove(path)
        count += len(waiting)
    return count


def _remove(path: Path) -> None:
    """An earlier version kept a folder with the document's tokens in the file's place."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _waiting() -> Path:
    return Path(settings.LONGREAD_DOCUMENTS) / "forget"
