"""Takes files in: checks, keeps the original, and queues the reading. Knows nothing of formats; the ingest worker looks inside."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext, gettext_lazy

from ingest.held import held_folder
from ingest.limit_settings import SETTINGS, megabytes
from ingest.parsers.registry import is_archive
from webapp.accounts.models import User
from webapp.core.words import printable
from webapp.jobs.models import ENDED, Job, JobKind
from webapp.jobs.services import job_cancel, job_create, job_retry
from webapp.library.models import WAITING, Collection, Document, DocumentState

SAMPLES = settings.BASE_DIR / "samples"
SAMPLE_COLLECTION = gettext_lazy("Sample: a contract, a handbook, some code")
COPY_BYTES = 1 << 20
RECEIVING = "receive-"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file of an upload: a document, or the reason why not, in a sentence for its owner. `is_unchanged`: it was a new
    version of that document, and no different."""

    name: str
    document: Document | None
    reason: str = ""
    is_unchanged: bool = False


def files_accept(*, collection: Collection, files: Iterable[UploadedFile]) -> list[FileOutcome]:
    """One outcome a file, in their order; a refused file does not stop the others."""
    return [_file_accept(collection, file) for file in files]


def _file_accept(collection: Collection, file: UploadedFile) -> FileOutcome:
    name = shown_name(file.name or "")
    if reason := refusal(file):
        return FileOutcome(name, None, reason)
    return FileOutcome(name, document_create(collection=collection, name=name, path=name, content=file, size=file.size or 0))


def refusal(file: UploadedFile) -> str:
    """Why an uploaded file is not taken, told by its size; '' if it is."""
    size = file.size or 0
    if size == 0:
        return gettext("This file is empty. Choose the file again; it may not have been saved yet.")
    if size > settings.LONGREAD_UPLOAD_BYTES:
        return too_large(size)
    return ""


def too_large(size: int) -> str:
    """Why a file of so many bytes is not taken."""
    most = settings.LONGREAD_UPLOAD_BYTES
    said = gettext("This file has {n}, {more} more than the {most} that are taken. Split it, or ask your operator to raise {setting}.")
    sizes = {"n": megabytes(size), "more": megabytes(size - most), "most": megabytes(most)}
    return said.format(**sizes, setting=SETTINGS["file_bytes"].variable)


def shown_name(raw: str) -> str:
    """The last part of a name, without control characters: for people to read, never a path on this machine."""
    last = PurePosixPath(raw.replace("\\", "/")).name
    return printable(last)[:255].strip() or gettext("unnamed")


def document_create(
    *, collection: Collection, name: str, path: str, content: BinaryIO | UploadedFile, size: int, replaces: Document | None = None
) -> Document:
    """Keeps the original and queues its reading. If the rows cannot be written, the file goes too. `replaces`: webapp.upload.versions."""
    document = Document(collection=collection, name=name, path=path[:1000], size_bytes=size, replaces=replaces.id if replaces else None)
    with file_received(content) as received:
        document.sha256 = received.sha256
        document.is_archive = is_archive(received.file, name)
        try:
            received.move(document.folder.original)
            with transaction.atomic():
                document.save()
                job_create(owner=collection.owner, kind=JobKind.PARSE, label=path, document=document)
        except BaseException:
            document.folder.delete()
            raise
    return document


@dataclass(frozen=True, slots=True)
class Received:
    """All that came, in a folder that goes with whoever took it (ingest.held) unless it is moved."""

    file: Path
    sha256: str

    def move(self, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self.file, target)


@contextmanager
def file_received(content: BinaryIO | UploadedFile) -> Iterator[Received]:
    """Writes the bytes, a megabyte at a time."""
    with held_folder(settings.LONGREAD_HOME, RECEIVING) as folder:
        digest = hashlib.sha256()
        content.seek(0)
        with (folder / "file").open("wb") as file:
            while part := content.read(COPY_BYTES):
                digest.update(part)
                file.write(part)
        yield Received(folder / "file", digest.hexdigest())


def document_retry(*, document: Document) -> None:
    """Reads a document again from its original, an archive with its files; nothing where it is being parsed already. Of a repository by
    its address the newest files are fetched, and only those that have changed are read.

    A failed job is queued again; otherwise there is a new one, and what is still read ahead of the old text is given up."""
    for row in [document] if document.git_url else [document, *document.members.all()]:
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
