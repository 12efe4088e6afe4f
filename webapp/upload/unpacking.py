"""An archive's files as documents. All of it is unpacked before anything is changed, so that an archive that is refused half-way leaves
nothing, and its new version takes nothing away.

Files that are here already with the same content are left alone: their text and their stored state stay. A changed one comes as a new
document that replaces the one that is here; one that is no longer in the archive goes. Each step may run twice. Knows no Celery.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.dispatch import receiver

from ingest.archive import expand
from ingest.held import held_folder, sweep
from ingest.limits import Limits
from ingest.progress import Progress, Report
from ingest.skipping import Skipped
from webapp.jobs.models import JobKind
from webapp.jobs.services import jobs_create
from webapp.jobs.signals import looked_after
from webapp.library.models import Document, DocumentState
from webapp.library.services import documents_delete
from webapp.library.skipped import skipped_notes, skipped_write
from webapp.upload.services import RECEIVING, shown_name
from webapp.upload.versions import earlier_go

UNPACKING = "unpack-"
REPORT_EVERY = 25
BATCH = 200


@dataclass(frozen=True, slots=True)
class _File:
    """An unpacked file; `path` begins with the archive's name."""

    path: str
    file: Path
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class _Known:
    """The newest document of a path."""

    id: UUID
    sha256: str


def archive_expand(archive: Document, report: Report, limits: Limits) -> None:
    """Raises ingest.errors.IngestError; then nothing has changed."""
    incoming = archive.folder.incoming
    source = incoming if incoming.exists() else archive.folder.original
    _sweep_half_made(archive)
    with held_folder(settings.LONGREAD_HOME, UNPACKING) as folder:
        files, skipped = _unpacked(archive, source, folder, report, limits)
        known = _known(archive)
        fresh = [file for file in files if file.path not in known or known[file.path].sha256 != file.sha256]
        for count, batch in enumerate(_batches(fresh)):
            report(Progress("unpacking", len(files) - len(fresh) + count * BATCH, len(files), "files"))
            _members_create(archive, batch, known)
    paths = {file.path for file in files}
    gone = [member for member in archive.members.all() if member.path not in paths]
    _take_over(archive, source, gone, skipped)


def _unpacked(archive: Document, source: Path, into: Path, report: Report, limits: Limits) -> tuple[list[_File], list[tuple[str, Skipped]]]:
    files, skipped = [], []
    for count, member in enumerate(expand(source, archive.name, into, limits, is_tracked=bool(archive.git_url)), start=1):
        if count % REPORT_EVERY == 1:
            report(Progress("unpacking", count, 0, "files"))
        if member.skipped:
            skipped.append((member.path, member.skipped))
        elif member.file:
            path = f"{archive.name}/{member.path}"[:1000]
            files.append(_File(path, member.file, _sha256(member.file), member.file.stat().st_size))
    return files, skipped


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _known(archive: Document) -> dict[str, _Known]:
    rows = archive.members.order_by("created_at").values_list("path", "id", "sha256")
    return {path: _Known(id, sha256) for path, id, sha256 in rows}


def _batches(files: Sequence[_File]) -> Iterator[list[_File]]:
    left = iter(files)
    while batch := list(islice(left, BATCH)):
        yield batch


def _members_create(archive: Document, files: list[_File], known: dict[str, _Known]) -> None:
    """Rows, files and jobs of some members. If the rows cannot be written, the files go too."""
    rows = [
        Document(
            collection_id=archive.collection_id,
            archive=archive,
            name=shown_name(file.path),
            path=file.path,
            sha256=file.sha256,
            size_bytes=file.size,
            replaces=known[file.path].id if file.path in known else None,
        )
        for file in files
    ]
    archive.folder.making.write_text(json.dumps([str(row.id) for row in rows]), encoding="utf-8")
    try:
        for row, file in zip(rows, files, strict=True):
            row.folder.folder.mkdir(parents=True)
            shutil.move(file.file, row.folder.original)
        with transaction.atomic():
            Document.objects.bulk_create(rows)
            jobs_create(owner=archive.collection.owner, kind=JobKind.PARSE, documents=rows)
    except BaseException:
        for row in rows:
            row.folder.delete()
        raise
    finally:
        archive.folder.making.unlink(missing_ok=True)


def _sweep_half_made(archive: Document) -> None:
    """Files of members that have no rows, since whoever made them was killed between the two."""
    with suppress(FileNotFoundError, ValueError):  # a list that was cut off: no file had been made
        ids = [UUID(id) for id in json.loads(archive.folder.making.read_text(encoding="utf-8"))]
        known = set(Document.objects.filter(id__in=ids).values_list("id", flat=True))
        for id in ids:
            if id not in known:
                Document(id=id).folder.delete()
    archive.folder.making.unlink(missing_ok=True)


@receiver(looked_after)
def look_after(**_: object) -> None:
    """What was being unpacked or received by a process that was killed."""
    for prefix in (UNPACKING, RECEIVING):
        sweep(settings.LONGREAD_HOME, prefix)


def _take_over(archive: Document, source: Path, gone: list[Document], skipped: list[tuple[str, Skipped]]) -> None:
    """From here on the archive is what was unpacked."""
    skipped_write(document=archive, skipped=skipped)
    if source == archive.folder.incoming:
        source.replace(archive.folder.original)
    original = archive.folder.original
    with transaction.atomic():
        documents_delete(documents=gone)
        Document.objects.filter(id=archive.id).update(
            state=DocumentState.READY,
            error="",
            notes=skipped_notes(skipped),
            skipped_count=len(skipped),
            sha256=_sha256(original),
            size_bytes=original.stat().st_size,
        )
        earlier_go(document=archive)
        Document.objects.filter(id=archive.id).update(replaces=None)
