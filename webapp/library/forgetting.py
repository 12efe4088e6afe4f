"""Deleting what a document left outside the database: its files at once, and the engine's stored state as soon as the engine comes to it.

The state is keyed by the document's tokens, so those alone are kept, apart, until the engine has forgotten them. A message that is lost
does no harm: each `forget` takes all that waits, and every engine worker begins with one. Knows no engine but the one it is given.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from kombu.exceptions import OperationalError

from engine.face import EngineFace
from engine.prompt import Prompt
from ingest.document import open_prompt
from ingest.storage import DocumentFolder
from webapp.celery import app

logger = logging.getLogger(__name__)


def discard(folder: DocumentFolder, salt: str) -> None:
    """Deletes the document's files, keeping its tokens aside for `forget`, and asks the engine to forget them."""
    if folder.parsed.ids.exists() and folder.parsed.chunks.exists():
        waiting = DocumentFolder(_waiting() / salt, folder.id).parsed
        waiting.folder.mkdir(parents=True, exist_ok=True)
        folder.parsed.ids.rename(waiting.ids)
        folder.parsed.chunks.rename(waiting.chunks)
        _ask_engine()
    folder.delete()


def _ask_engine() -> None:
    try:
        app.send_task("library.forget", queue="engine", priority=9, retry=False)
    except OperationalError:
        logger.warning("The broker does not answer; the engine will forget deleted documents when its worker starts again.")


def forget(engine: EngineFace) -> int:
    """Deletes the stored state of everything that was discarded. Returns how many documents that were."""
    count = 0
    for folder, prompt in _discarded():
        engine.forget(prompt)
        folder.delete()
        count += 1
    return count


def _discarded() -> Iterator[tuple[DocumentFolder, Prompt]]:
    for owner in _waiting().glob("*"):
        for path in owner.glob("*"):
            folder = DocumentFolder(owner, path.name)
            yield folder, open_prompt([(path.name, "", folder)], Path(), owner.name)


def _waiting() -> Path:
    return Path(settings.LONGREAD_DOCUMENTS) / "forget"
