"""Files that come in parts: begun, added to at their end, made a document. What nobody has gone on with for a day is deleted.

The bytes on disk are the truth about how far a file is, so a cut connection loses nothing that has arrived.
"""

from __future__ import annotations

import fcntl
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.utils import timezone

from webapp.accounts.models import User
from webapp.api.models import PartialUpload
from webapp.library.models import Collection, Document
from webapp.upload.services import document_create, shown_name, too_large

PART_BYTES = 8 * 2**20
MOST_AT_ONCE = 20
KEPT = timedelta(days=1)
COPY_BYTES = 1 << 20


class PartRefused(Exception):
    """A part, or a whole file, that cannot be taken as it is; the message says what to do."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def upload_begin(*, owner: User, collection: Collection, name: str, size_bytes: int) -> PartialUpload:
    """Raises PartRefused."""
    _forget_old()
    if size_bytes > settings.LONGREAD_UPLOAD_BYTES:
        raise PartRefused(too_large(size_bytes))
    if PartialUpload.objects.filter(owner=owner).count() >= MOST_AT_ONCE:
        raise PartRefused(f"{MOST_AT_ONCE} of your uploads are not finished. Finish or delete one.")
    upload = PartialUpload.objects.create(owner=owner, collection=collection, name=shown_name(name), size_bytes=size_bytes)
    upload.file.parent.mkdir(parents=True, exist_ok=True)
    upload.file.touch()
    return upload


def part_add(*, upload: PartialUpload, offset: int, content: Readable) -> None:
    """Adds to the end of the file, which is at `offset`. What has arrived before a connection is cut stays. Raises PartRefused."""
    with upload.file.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if offset != (there := upload.offset):
            raise PartRefused(f"{there} bytes of this file are here; send the part that begins there (offset={there}).")
        room = min(PART_BYTES, upload.size_bytes - there)
        while piece := content.read(COPY_BYTES):
            if len(piece) > room:
                file.truncate(there)
                raise PartRefused(f"This part is too long: at most {PART_BYTES:,} bytes at once, and {upload.size_bytes:,} in all.")
            room -= len(piece)
            file.write(piece)
    PartialUpload.objects.filter(id=upload.id).update(updated_at=timezone.now())


def upload_finish(*, upload: PartialUpload, sha256: str = "") -> Document:
    """The file as a document, whose reading is queued. `sha256`, where given, must be its own. Raises PartRefused."""
    if (there := upload.offset) != upload.size_bytes:
        raise PartRefused(f"{there:,} of {upload.size_bytes:,} bytes are here. Send the rest first.")
    if sha256 and sha256.lower() != _sha256(upload.file):
        raise PartRefused("What arrived has another SHA-256. Delete this upload and begin again.")
    with upload.file.open("rb") as content:
        document = document_create(collection=upload.collection, name=upload.name, path=upload.name, content=content, size=there)
    upload_delete(upload=upload)
    return document


def upload_delete(*, upload: PartialUpload) -> None:
    upload.file.unlink(missing_ok=True)
    upload.delete()


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _forget_old() -> None:
    """Files of rows that went with their collection are among them."""
    for upload in PartialUpload.objects.filter(updated_at__lt=timezone.now() - KEPT):
        upload_delete(upload=upload)
    oldest = (timezone.now() - KEPT).timestamp()
    for file in (Path(settings.LONGREAD_HOME) / "uploads").glob("*"):
        if file.stat().st_mtime < oldest:
            file.unlink(missing_ok=True)
