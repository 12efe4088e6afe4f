"""Repositories by their https address: a document whose archive git fetches (ingest.git), and fetches again when it is read again.

Which hosts are fetched from is the operator's setting, and none by itself: then there is no such thing on any page.
"""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext

from ingest.errors import FileRefused
from ingest.git import GitRules, address_of, fetch_tar
from ingest.progress import Report
from webapp.jobs.models import JobKind
from webapp.jobs.services import job_create
from webapp.library.models import Collection, Document, DocumentState
from webapp.upload.services import document_retry
from webapp.upload.unpacking import archive_expand


class RepositoryRefused(Exception):
    """An address that is not fetched from; the message says why."""


def repository_add(*, collection: Collection, address: str) -> Document:
    """Queues the fetching of a repository; one that is here already is fetched again. Raises RepositoryRefused."""
    if not settings.LONGREAD_GIT_HOSTS:
        raise RepositoryRefused(gettext("Repositories are not fetched by their address here. Upload an archive or a folder instead."))
    try:
        found = address_of(address, settings.LONGREAD_GIT_HOSTS)
    except FileRefused as error:
        raise RepositoryRefused(str(error)) from error
    if known := collection.documents.filter(git_url=found.url).first():
        document_retry(document=known)
        return known
    document = Document(collection=collection, name=found.name[:255], path=found.name[:255], is_archive=True, git_url=found.url)
    with transaction.atomic():
        document.save()
        job_create(owner=collection.owner, kind=JobKind.PARSE, label=document.path, document=document)
    return document


def repository_read(document: Document, report: Report) -> None:
    """Fetches the newest commit and takes over what has changed since the last one. Raises ingest.errors.IngestError."""
    rules = GitRules(settings.LONGREAD_GIT_HOSTS, settings.LONGREAD_GIT_BYTES, settings.LONGREAD_GIT_SECONDS)
    address = address_of(document.git_url, rules.hosts)  # the list may have changed
    document.folder.folder.mkdir(parents=True, exist_ok=True)
    known = document.git_commit if document.folder.original.exists() else ""
    commit = fetch_tar(address, document.folder.incoming, rules, report, known_commit=known)
    if commit != known:
        archive_expand(document, report, settings.LONGREAD_LIMITS)
    Document.objects.filter(id=document.id).update(state=DocumentState.READY, error="", git_commit=commit)
