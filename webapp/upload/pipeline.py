"""The way of an uploaded file, from its original to a prompt that can be asked and stored state that answers fast.

    parse_document    original -> text, page map, prompt, lexical index       uploaded -> parsing -> parsed: it can be asked
                                                                              (or locked: it needs a password)
    prefill_document  prompt -> scan records, then the state of each chunk,   parsed -> reading -> indexed -> ready
                      in slices

Each step may run twice: it writes new and swaps. An archive's files become documents of their own (webapp.upload.unpacking), and a new
version takes the place of the earlier one (webapp.upload.versions). Knows no Celery.
"""

from __future__ import annotations

import logging
import shutil
import time
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.dispatch import receiver

from engine.errors import StoreFull
from engine.events import PrefillEvent, Tier
from engine.face import EngineFace
from engine.lexical import LexicalIndex
from engine.remote.address import from_environment
from engine.tokenizer import Tokenizer
from ingest.document import index_document, open_prompt, read_document
from ingest.errors import PasswordNeeded
from ingest.model import DocumentSummary, Kind
from ingest.page_images import page_images_from
from ingest.progress import Progress, Report
from ingest.prompt.pictures import Seeing
from webapp.core.model_files import lexical_path, model_folder
from webapp.jobs.models import Job, JobKind, JobState
from webapp.jobs.running import Outcome
from webapp.jobs.services import job_create
from webapp.jobs.signals import job_broke, job_restarted
from webapp.library.models import Document, DocumentState, Page
from webapp.upload.repositories import repository_read
from webapp.upload.unpacking import archive_expand
from webapp.upload.versions import earlier_forget, earlier_go, version_failed

logger = logging.getLogger(__name__)

# Documents that are read ahead take turns after so long. Questions do not wait for them: the engine answers beside.
SLICE_SECONDS = 1.5
# What people see of each tier of reading ahead.
STAGES: dict[Tier, str] = {"index": "indexing", "full": "reading"}
# Reading ahead stops here: beyond it, storing one chunk would throw out another that was just read.
STORE_SHARE = 0.9


def parse_document(job: Job, report: Report) -> Outcome:
    """Original to prompt. Raises ingest.errors.IngestError with a sentence for the owner."""
    document = _document(job)
    Document.objects.filter(id=document.id).update(state=DocumentState.PARSING, error="")
    try:
        if document.git_url:
            repository_read(document, report)
        elif document.is_archive:
            archive_expand(document, report, settings.LONGREAD_LIMITS)
        else:
            _read(document, report)
    except PasswordNeeded as error:
        Document.objects.filter(id=document.id).update(state=DocumentState.LOCKED, error=str(error))
    finally:
        _leave_nothing_of_a_deleted(document)
    return Outcome.DONE


def _read(document: Document, report: Report) -> None:
    folder = model_folder()
    tokenizer, seeing = _reader(folder, _changed_ns(folder), (page_images_from(), bool(from_environment())))
    limits = settings.LONGREAD_LIMITS
    summary = read_document(document.name, document.path, document.folder, tokenizer, limits=limits, report=report, seeing=seeing)
    index_document(lexical_path(document.collection_id), str(document.id), document.folder)
    if Document.objects.filter(id=document.id).exists():
        _record(document, summary)


@lru_cache(maxsize=1)
def _reader(folder: Path, *_known_by: object) -> tuple[Tokenizer, Seeing | None]:
    """What documents are read with, kept until the model's files or the settings change. Opening it takes a second, fifty times what a
    small file takes, and a repository has thousands of these."""
    tokenizer = Tokenizer.open(folder)
    return tokenizer, Seeing.of(folder, tokenizer)


def _changed_ns(folder: Path) -> int:
    """When the newest of the model's files was changed."""
    return max((file.stat().st_mtime_ns for file in folder.glob("*") if file.is_file()), default=0)


def _leave_nothing_of_a_deleted(document: Document) -> None:
    """A document may be deleted while it is read; what was made since then must not stay behind."""
    if not Document.objects.filter(id=document.id).exists():
        document.folder.delete()
        if (words := lexical_path(document.collection_id)).exists():
            LexicalIndex(words).remove(str(document.id))


def _document(job: Job) -> Document:
    if job.document is None:
        raise ValueError(f"job {job.id} of kind {job.kind} has no document")
    return job.document


@transaction.atomic
def _record(document: Document, summary: DocumentSummary) -> None:
    """The rows of a parse, all at once; from here on the document can be asked."""
    document.pages.all().delete()
    Page.objects.bulk_create(
        [
            Page(
                document=document,
                number=page.number,
                start_char=page.start_char,
                end_char=page.end_char,
                width=page.width,
                height=page.height,
                has_text=page.has_text,
                reading=page.reading.value,
                confidence=page.confidence,
                language=page.language,
            )
            for page in summary.pages
        ],
        batch_size=500,
    )
    Document.objects.filter(id=document.id).update(
        state=DocumentState.PARSED,
        kind=summary.kind.value,
        notes=list(summary.notes),
        page_count=len(summary.pages) if summary.kind is Kind.PAGED else 0,
        line_count=summary.lines,
        token_count=summary.tokens,
        chunk_count=summary.chunks,
        indexed_token_count=0,
        stored_token_count=0,
    )
    job_create(owner=document.collection.owner, kind=JobKind.PREFILL, label=document.path, document=document)
    earlier_go(document=document)


def prefill_document(job: Job, report: Report, engine: EngineFace) -> Outcome:
    """One slice of reading ahead. Asking never needs it: what is located and not stored is read on demand."""
    document = _document(job)
    parsed = [(str(document.id), document.path, document.folder)]
    prompt = open_prompt(parsed, lexical_path(document.collection_id), document.collection.owner.salt)
    Document.objects.filter(id=document.id).exclude(state=DocumentState.INDEXED).update(state=DocumentState.READING)
    deadline = time.monotonic() + SLICE_SECONDS
    ahead = _Ahead()
    try:
        with closing(engine.prefill(prompt, deadline=deadline)) as events:  # type: ignore[type-var]
            for event in events:
                ahead.last[event.tier] = event
                report(Progress(STAGES[event.tier], event.tokens_done, event.tokens, "tokens"))
    except StoreFull as error:
        logger.warning("The store holds no more of %s, and the rest is read when a question needs it: %s", document.path, error)
        return _read_as_far_as(document, ahead, ahead.state)
    if ahead.is_all:
        return _read_as_far_as(document, ahead, DocumentState.READY)
    if _has_room(engine, indexing=not ahead.is_indexed):
        return _read_as_far_as(document, ahead, DocumentState.INDEXED if ahead.is_indexed else DocumentState.READING, going_on=True)
    return _read_as_far_as(document, ahead, ahead.state)


@dataclass(slots=True)
class _Ahead:
    """How far a slice came, by tier. A model has one of them or both; a tier without an event is one that it does not have."""

    last: dict[Tier, PrefillEvent] = field(default_factory=dict)

    def tokens(self, tier: Tier) -> int:
        return self.last[tier].tokens_done if tier in self.last else 0

    @property
    def is_indexed(self) -> bool:
        return "index" in self.last and self.last["index"].tokens_done == self.last["index"].tokens

    @property
    def is_all(self) -> bool:
        return all(event.tokens_done == event.tokens for event in self.last.values())

    @property
    def state(self) -> DocumentState:
        """Where the store has no room for the rest, which is then read when a question needs it."""
        return DocumentState.INDEXED if self.is_indexed else DocumentState.PARSED


def _read_as_far_as(document: Document, ahead: _Ahead, state: DocumentState, *, going_on: bool = False) -> Outcome:
    counts = {"indexed_token_count": ahead.tokens("index"), "stored_token_count": ahead.tokens("full")}
    Document.objects.filter(id=document.id).update(state=state, **counts)
    earlier_forget(document=document)
    return Outcome.MORE if going_on else Outcome.DONE


def _has_room(engine: EngineFace, *, indexing: bool) -> bool:
    """States make room for scan records, so these have room as long as they do not fill the store by themselves."""
    status = engine.status()
    taken = status.store_index_bytes if indexing else status.store_bytes
    return taken < STORE_SHARE * status.store_budget_bytes and shutil.disk_usage(settings.LONGREAD_HOME).free > 10**9


@receiver(job_broke)
def job_broke_for_document(job: Job, **_: object) -> None:
    """A document whose parse broke cannot be asked; one whose reading ahead broke still can."""
    if job.document_id is None:
        return
    if job.kind == JobKind.PARSE and job.document is not None and job.document.is_archive and job.document.members.exists():
        version_failed(archive=job.document, error=job.error)
    elif job.kind == JobKind.PARSE:
        Document.objects.filter(id=job.document_id).update(state=DocumentState.FAILED, error=job.error)
    elif job.kind == JobKind.PREFILL:
        Document.objects.filter(id=job.document_id, state=DocumentState.READING).update(state=DocumentState.PARSED)


@receiver(job_restarted)
def job_restarted_for_document(job: Job, **_: object) -> None:
    if job.document_id and job.kind == JobKind.PARSE and job.state == JobState.QUEUED:
        Document.objects.filter(id=job.document_id).update(state=DocumentState.UPLOADED, error="")
