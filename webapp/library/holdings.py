"""What documents take, on disk and in the store, and what deleting them frees. Knows no requests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from engine.cache.kept import Kept, kept_beside
from engine.cache.keys import document_key
from engine.errors import EngineError
from webapp.library.models import Document

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Holdings:
    """`files` and `file_bytes`: originals and all that was made from them. `store_bytes`: stored state that is kept for these documents, of
    which `freed_bytes` is kept for no other."""

    files: int
    file_bytes: int
    store_bytes: int
    freed_bytes: int


def holdings(*, documents: Iterable[Document], salt: str) -> Holdings:
    """Of documents of one owner, by the owner's salt."""
    rows = list(documents)
    sizes = [size for row in rows for size in _sizes(row.folder.folder)]
    kept = _kept([document_key(str(row.id), salt) for row in rows])
    return Holdings(len(sizes), sum(sizes), kept.bytes, kept.freed_bytes)


def _sizes(folder: Path) -> Iterable[int]:
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                yield (Path(root) / name).stat().st_size
            except FileNotFoundError:
                continue  # replaced by a new parse in this moment


def _kept(documents: list[bytes]) -> Kept:
    try:
        return kept_beside(settings.LONGREAD_STORE, documents)
    except EngineError as error:
        logger.warning("What the store keeps cannot be told: %s", error)
        return Kept()
