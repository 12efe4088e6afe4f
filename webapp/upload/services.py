"""Takes files in: checks, keeps the original, and queues the reading. Knows nothing of formats; the ingest worker looks inside."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext, gettext_lazy

from ingest.parsers.registry import is_archive
from webapp.accounts.models import User
from webapp.core.words import printable
from webapp.jobs.models import ENDED, Job, JobKind
from webapp.jobs.services import job_cancel, job_create, job_retry
from webapp.library.models import WAITING, Collection, Document, DocumentState

SAMPLES = settings.BASE_DIR / "samples"
SAMPLE_COLLECTION = gettext_lazy("Sample: a contract, a handbook, some code")
COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file of an upload: a document, or the reason why not, in a sentence for its owner."""

    name: str
    document: Document | None
    reason: str = ""


def files_accept(*, collection: Collection, files: Iterable[UploadedFile]) -> list[FileOutcome]:
    """One outcome a file, in their order; a refused file does not stop the others."""
    return [_file_accept(collection, file) for file in files]


def _file_accept(collection: Collection, file: UploadedFile) -> FileOutcome:
    name = shown_name(file.name or "")
    size = file.size or 0
    if size == 0:
        return FileOutcome(name, None, gettext("This file is empty. Choose the file again; it may not have been saved yet."))
    if size > settings.LONGREAD_UPLOAD_BYTES:
        limit = settings.LONGREAD_UPLOAD_BYTES / 1e6
        reason = gettext("This file has {n:,.0f} MB; the limit is {most:,.0f} MB. Split it, or ask the operator for more.")
        return FileOutcome(name, None, reason.format(n=size / 1e6, most=limit))
    return FileOutcome(name, document_create(collection=collection, name=name, path=name, content=file, size=size))


def shown_name(raw: str) -> str:
    """The last part of a name, without control characters: for people to read, never a path on this machine."""
    last = PurePosixPath(raw.replace("\\", "/")).name
    return printable(last)[:255].strip() or gettext("unnamed")


def document_create(
    *, collection: Collection, name: str, path: str, content: BinaryIO | UploadedFile, size: int, archive: Document | None = None
) -> Document:
    """Keeps the original and queues its reading. If the rows cannot be written, the file goes too."""
    document = Document(collection=collection, name=name, path=path[:1000], archive=archive, size_bytes=size)
    try:
        document.sha256 = _keep(content, document.folder.original)
        document.is_archive = archive is None and is_archive(document.folder.original, name)
        with transaction.atomic():
            document.save()
            job_create(owner=collection.owner, kind=JobKind.PARSE, label=path, document=document)
    except BaseException:
        document.folder.delete()
        raise
    return document


def _keep(content: BinaryIO | UploadedFile, target: Path) -> str:
    """Writes the bytes and returns their SHA-256, a megabyte at a time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    content.seek(0)
    with target.open("wb") as file:
        while part := content.read(COPY_BYTES):
            digest.update(part)
            file.write(part)
    return digest.hexdigest()


def document_retry(*, document: Document) -> None:
    """Reads a document again from its original, an archive with its files; nothing where it is being parsed already.

    A failed job is queued again; otherwise there is a new one, and what is still read ahead of the old text is given up."""
    for row in [document, *document.members.all()]:
        _read_again(row)


def _read_again(document: Document) -> None:
    job = document.jobs.filter(kind=JobKind.PARSE).order_by("created_at").last()
    if job is not None and job_retry(job=job):
        return
    with transaction.atomic():
        begun = Document.objects.filter(id=document.id).exclude(state__in=WAITING).update(state=DocumentState.UPLOADED, error="")
        if begun:
            document_jobs_cancel(document=document)
            job_create(owner=document.collection.owner, kind=JobKind.PARSE, label=document.path, document=document)


def document_jobs_cancel(*, document: Document) -> None:
    for job in Job.objects.filter(document=document).exclude(state__in=ENDED):
        job_cancel(job=job)


def samples_add(*, owner: User) -> Collection:
    """The sample collection that comes with Longread, as if the owner had uploaded it."""
    collection = Collection.objects.create(owner=owner, name=str(SAMPLE_COLLECTION))
    for name in ("contract.pdf", "handbook.md"):
        with (SAMPLES / name).open("rb") as file:
            document_create(collection=collection, name=name, path=name, content=file, size=(SAMPLES / name).stat().st_size)
    code = _zipped(SAMPLES / "code")
    document_create(collection=collection, name="code.zip", path="code.zip", content=code, size=code.getbuffer().nbytes)
    return collection


def _zipped(folder: Path) -> BytesIO:
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            archive.write(file, file.relative_to(folder).as_posix())
    return target
