"""What documents take, on disk and in the store, and what deleting them frees. Knows no requests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce

from engine.cache.kept import Kept, kept_beside
from engine.cache.keys import document_key
from engine.errors import EngineError
from webapp.library.models import Collection, Document

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Holdings:
    """`files` and `file_bytes`: originals and all that was made from them. `store_bytes`: stored state that is kept for these documents, of
    which `freed_bytes` is kept for no other."""

    files: int
    file_bytes: int
    store_bytes: int
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The files of an archive, by what is counted of them anyway."""

    files: int
    bytes: int


def document_holdings(*, document: Document) -> Holdings:
    """An archive's with its files, each of which is looked at: of 7,000 it takes half a second, and several where the disk is slow."""
    return _holdings([document.id, *document.members.values_list("id", flat=True)], document.collection.owner.salt)


def collection_holdings(*, collection: Collection) -> Holdings:
    """As long as the above."""
    return _holdings(list(collection.documents.values_list("id", flat=True)), collection.owner.salt)


def document_unpacked(*, document: Document) -> Unpacked:
    """In one query."""
    counted = document.members.aggregate(files=Count("id"), bytes=Coalesce(Sum("size_bytes"), 0))
    return Unpacked(**counted)


def _holdings(ids: Sequence[UUID], salt: str) -> Holdings:
    sizes = [size for id in ids for size in _sizes(f"{settings.LONGREAD_DOCUMENTS}/{id}")]
    kept = _kept([document_key(str(id), salt) for id in ids])
    return Holdings(len(sizes), sum(sizes), kept.bytes, kept.freed_bytes)


def _sizes(folder: str) -> Iterator[int]:
    """Of all files in it. Without Path, which takes most of the time."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:  # replaced by a new parse, or deleted, in this moment
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(entry.path)
            else:
                with suppress(FileNotFoundError):
                    yield entry.stat(follow_symlinks=False).st_size


def _kept(documents: list[bytes]) -> Kept:
    try:
        return kept_beside(settings.LONGREAD_STORE, documents)
    except EngineError as error:
        logger.warning("What the store keeps cannot be told: %s", error)
        return Kept()
