"""New versions of what is here already. What has not changed keeps its rows, its text and its stored state; nothing goes before what takes
its place has been read.

    a file       the new version is a document of its own that `replaces` the earlier one, which stays until the new one can be asked
    an archive   stays the same document; its new content lies beside the old until all of it is unpacked (webapp.upload.unpacking)
"""

from __future__ import annotations

from enum import StrEnum
from typing import BinaryIO

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext

from ingest.parsers.registry import is_archive
from webapp.jobs.models import JobKind
from webapp.jobs.services import job_create
from webapp.library.forgetting import forget_later
from webapp.library.models import WAITING, Collection, Document, DocumentState
from webapp.library.services import documents_delete
from webapp.upload.services import FileOutcome, document_create, file_received, refusal, shown_name


class Kept(StrEnum):
    """What became of a new version at once."""

    UNCHANGED = "unchanged"
    QUEUED = "queued"


class VersionRefused(Exception):
    """The document cannot be replaced now; the message says why."""


def file_replace(*, document: Document, file: UploadedFile) -> FileOutcome:
    """An uploaded file in place of a document. Where it is the same, byte for byte, nothing happens."""
    name = shown_name(file.name or "")
    if reason := refusal(file):
        return FileOutcome(name, None, reason)
    try:
        replaced, kept = document_replace(document=document, name=name, content=file, size=file.size or 0)
    except VersionRefused as error:
        return FileOutcome(name, None, str(error))
    return FileOutcome(name, replaced, is_unchanged=kept is Kept.UNCHANGED)


def document_replace(*, document: Document, name: str, content: BinaryIO | UploadedFile, size: int) -> tuple[Document, Kept]:
    """The document that holds the new version from now on, or will. Raises VersionRefused."""
    if document.archive_id:
        raise VersionRefused(gettext("This file is part of an archive. Upload a new version of the archive instead."))
    if document.state in WAITING:
        raise VersionRefused(gettext("It is being parsed. Upload the new version when that is done."))
    with file_received(content) as received:
        if received.sha256 == document.sha256 and document.state != DocumentState.FAILED:
            return document, Kept.UNCHANGED
        if document.is_archive and is_archive(received.file, document.name):
            received.move(document.folder.incoming)
            _queue(document)
            return document, Kept.QUEUED
    fresh = document_create(collection=document.collection, name=name, path=name, content=content, size=size, replaces=document)
    return fresh, Kept.QUEUED


@transaction.atomic
def _queue(archive: Document) -> None:
    Document.objects.filter(id=archive.id).update(state=DocumentState.UPLOADED, error="")
    job_create(owner=archive.collection.owner, kind=JobKind.PARSE, label=archive.path, document=archive)


def documents_here(*, collection: Collection, names: list[str]) -> dict[str, Document]:
    """To each of these names the upload of that name that is in the collection, if there is one: the newest."""
    found = collection.documents.filter(archive=None, name__in=names).order_by("created_at")
    return {document.name: document for document in found}


def earlier_go(*, document: Document) -> None:
    """The new version can be asked: what it replaces goes, with what that had been meant to replace. The engine's state of the former stays
    until the new version's has been begun (`earlier_forget`)."""
    direct = Document.objects.filter(id=document.replaces).select_related("collection__owner").first() if document.replaces else None
    if direct is None:
        return
    before = []
    earlier = Document.objects.filter(id=direct.replaces).first() if direct.replaces else None
    while earlier is not None:
        before.append(earlier)
        earlier = Document.objects.filter(id=earlier.replaces).first() if earlier.replaces else None
    documents_delete(documents=before)
    documents_delete(documents=[direct], keep_state=not direct.is_archive)


def earlier_forget(*, document: Document) -> None:
    """Of the document's own state something is stored: the engine may forget that of the one that it replaced."""
    if document.replaces and not Document.objects.filter(id=document.replaces).exists():
        forget_later([str(document.replaces)], document.collection.owner.salt)
        Document.objects.filter(id=document.id).update(replaces=None)


def version_failed(*, archive: Document, error: str) -> None:
    """An archive's new version cannot be read: it goes, and what was here before stays as it was."""
    archive.folder.incoming.unlink(missing_ok=True)
    said = gettext("The new version was not taken over: {error} What was here before is unchanged.").format(error=error)
    state = DocumentState.READY if archive.members.exists() else DocumentState.FAILED
    Document.objects.filter(id=archive.id).update(state=state, error=said)
