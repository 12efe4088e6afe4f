"""Reads of jobs: how far each document is, and what the page of jobs shows to whom."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.core.paginator import Page as PaginatedPage
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet, Sum
from django.shortcuts import get_object_or_404
from django.utils import timezone

from webapp.accounts.models import User
from webapp.core.listing import PLAIN, Listing
from webapp.jobs.models import ENDED, Job, JobState
from webapp.library.access import reach
from webapp.library.models import Collection, Document, DocumentState
from webapp.library.selectors import document_twins, document_uploads

ROWS_A_PAGE = 100
FOLDED_MEMBERS = 50
JOBS_A_PAGE = 100
# An estimate from less than this is noise.
ESTIMATE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class JobProgress:
    """`per_second` is the rate since this stage began, `seconds_left` what follows from it; None while they cannot be told."""

    stage: str
    done: int
    total: int
    unit: str
    seconds_left: float | None
    per_second: float | None = None

    @property
    def percent(self) -> int:
        return min(100, 100 * self.done // self.total) if self.total else 0


@dataclass(frozen=True, slots=True)
class ArchiveCounts:
    files: int
    ready: int
    failed: int
    tokens: int


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as its collection lists it. Of a large archive only the counts: its own page lists the files."""

    document: Document
    progress: JobProgress | None
    counts: ArchiveCounts | None
    members: list[DocumentRow]
    twins: list[Document]

    @property
    def label(self) -> str:
        """The name, or for a file of an archive its path inside."""
        return self.document.path.partition("/")[2] if self.document.archive_id else self.document.name


def job_progress(job: Job) -> JobProgress:
    left, rate = None, None
    begun = job.stage_at or job.started_at
    if begun and job.done and (job.state == JobState.RUNNING or job.ended_at):
        seconds = ((job.ended_at or timezone.now()) - begun).total_seconds()
        if seconds > ESTIMATE_SECONDS:
            rate = job.done / seconds
            left = (job.total - job.done) / rate if job.total and job.state == JobState.RUNNING else None
    stage = job.stage if job.state == JobState.RUNNING or job.done else ""
    return JobProgress(stage, job.done, job.total, job.unit, left, rate)


def document_rows(
    *, user: User, collection: Collection, page: int, listing: Listing = PLAIN
) -> tuple[PaginatedPage[Document], list[DocumentRow]]:
    """A page of the collection's uploads with their progress."""
    found = Paginator(document_uploads(collection=collection, listing=listing), ROWS_A_PAGE).get_page(page)
    uploads = list(found.object_list)
    counts = _archive_counts(uploads)
    # What was looked for stands in the list by itself.
    small = [archive for archive, count in counts.items() if count.files <= FOLDED_MEMBERS and not listing.find]
    members = list(Document.objects.filter(archive__in=small).order_by("path"))
    progress = _progress([*uploads, *members])
    twins = document_twins(user=user, collection=collection, documents=[*uploads, *members])
    rows = {
        document.id: DocumentRow(document, progress.get(document.id), counts.get(document.id), [], twins.get(document.id, []))
        for document in uploads
    }
    for member in members:
        if member.archive_id:
            rows[member.archive_id].members.append(DocumentRow(member, progress.get(member.id), None, [], twins.get(member.id, [])))
    return found, list(rows.values())


def _archive_counts(documents: list[Document]) -> dict[UUID, ArchiveCounts]:
    """Of each archive among the documents; counted by the database, since an archive may hold a repository."""
    archives = {document.id: ArchiveCounts(0, 0, 0, 0) for document in documents if document.is_archive}
    counted = (
        Document.objects.filter(archive__in=archives)
        .order_by()
        .values("archive_id")
        .annotate(
            files=Count("id"),
            ready=Count("id", filter=Q(state=DocumentState.READY)),
            failed=Count("id", filter=Q(state=DocumentState.FAILED)),
            tokens=Sum("token_count"),
        )
    )
    for row in counted:
        archives[row["archive_id"]] = ArchiveCounts(row["files"], row["ready"], row["failed"], row["tokens"])
    return archives


def _progress(documents: list[Document]) -> dict[UUID, JobProgress]:
    """The newest job of each that has work left."""
    working = [document.id for document in documents if not document.is_settled]
    jobs = Job.objects.filter(document__in=working).exclude(state__in=ENDED).order_by("created_at")
    return {job.document_id: job_progress(job) for job in jobs if job.document_id}


def is_settled(*, collection: Collection) -> bool:
    """Nothing more will happen in it by itself."""
    working = Job.objects.filter(document__collection=collection).exclude(state__in=ENDED)
    waiting = collection.documents.filter(state__in=(DocumentState.UPLOADED, DocumentState.PARSING, DocumentState.READING))
    return not working.exists() and not waiting.exists()


def jobs_of(*, user: User) -> QuerySet[Job]:
    """The user's own, and those of documents that the user may see."""
    return Job.objects.filter(Q(owner=user) | reach(user, via="document__collection"))


def job_list(*, viewer: User, state: str = "", words: str = "") -> QuerySet[Job]:
    """Newest first: everybody's for operators, their own for others. `words` stand in what it is about, its owner's name or its error."""
    jobs = _jobs_of(viewer)
    if words:
        about = Q(label__icontains=words) | Q(error__icontains=words)
        jobs = jobs.filter(about | Q(owner__username__icontains=words) if viewer.is_staff else about)
    return jobs.filter(state=state) if state in JobState.values else jobs


def job_counts(*, viewer: User) -> list[tuple[JobState, int]]:
    """How many of these jobs are in each state, in the order of a job's life."""
    counted = dict(_jobs_of(viewer).order_by().values_list("state").annotate(Count("id")))
    return [(state, counted.get(state, 0)) for state in JobState]


def job_detail(*, viewer: User, job_id: UUID) -> Job:
    """Raises Http404 where the viewer has no such job."""
    return get_object_or_404(_jobs_of(viewer), id=job_id)


def _jobs_of(viewer: User) -> QuerySet[Job]:
    jobs = Job.objects.select_related("owner", "document")
    return jobs if viewer.is_staff else jobs.filter(owner=viewer)
