"""Putting a checklist to every document of a collection, stopping that, and going on where it ended."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.dispatch import receiver
from django.utils.translation import gettext

from webapp.accounts.models import User
from webapp.checklist.models import SWEEP_ENDED, Cell, Checklist, Judgement, Sweep, SweepState, SweptDocument, Verdict
from webapp.core.words import printable
from webapp.jobs.models import Job, JobKind, JobState
from webapp.jobs.services import job_cancel, job_create
from webapp.jobs.signals import job_broke, job_restarted
from webapp.library.models import ASKABLE, Collection, Document
from webapp.library.selectors import document_list

MOST_CHARACTERS = 2000
# Sweeps take turns, so more of them end no sooner; one person's are not to fill the line.
MOST_AT_ONCE = 5
MOST_NOTE_CHARACTERS = 2000
ACTIVE = (SweepState.WAITING, SweepState.RUNNING)


class SweepRefused(Exception):
    """A sweep that cannot be made; the message says what to do."""


class VerdictRefused(Exception):
    """A verdict that cannot be kept; the message says why."""


@transaction.atomic
def sweep_create(*, collection: Collection, owner: User, questions: Iterable[str]) -> Sweep:
    """Queues the sweep. Empty lines and repetitions among the questions are dropped. Raises SweepRefused."""
    texts = _questions(questions)
    documents = document_list(collection=collection)
    if not documents.filter(state__in=ASKABLE).exists():
        raise SweepRefused(gettext("Nothing can be asked here yet. Add a document, or wait until the first one is parsed."))
    if (count := documents.count()) > settings.LONGREAD_SWEEP_DOCUMENTS:
        most = settings.LONGREAD_SWEEP_DOCUMENTS
        said = gettext("This collection has {n:,} documents; a sweep asks at most {most:,}. Split it, or ask the operator for more.")
        raise SweepRefused(said.format(n=count, most=most))
    if Sweep.objects.filter(checklist__owner=owner, state__in=ACTIVE).count() >= MOST_AT_ONCE:
        raise SweepRefused(gettext("{n} of your sweeps are not done yet. Wait for one, or stop one.").format(n=MOST_AT_ONCE))
    checklist = Checklist.objects.create(collection=collection, owner=owner, questions=texts)
    sweep = Sweep.objects.create(checklist=checklist)
    SweptDocument.objects.bulk_create(
        SweptDocument(sweep=sweep, document=row, number=number, **_facts(row)) for number, row in enumerate(documents)
    )
    _begin(sweep)
    return sweep


def _questions(lines: Iterable[str]) -> list[str]:
    texts = list(dict.fromkeys(text for line in lines if (text := " ".join(printable(line).split()))))
    if not texts:
        raise SweepRefused(gettext("Type a question first, one a line."))
    if len(texts) > settings.LONGREAD_SWEEP_QUESTIONS:
        said = gettext("These are {n:,} questions; a sweep has at most {most:,}. Make two of it.")
        raise SweepRefused(said.format(n=len(texts), most=settings.LONGREAD_SWEEP_QUESTIONS))
    if long := next((text for text in texts if len(text) > MOST_CHARACTERS), ""):
        said = gettext("The question “{question}…” has {n:,} characters; the limit is {most:,}. Ask in fewer words.")
        raise SweepRefused(said.format(question=long[:60], n=len(long), most=MOST_CHARACTERS))
    return texts


def _facts(document: Document) -> dict[str, object]:
    """What the sweep keeps of a document, as it is now."""
    left_out = "" if document.is_askable else document.error or f"not parsed: {document.get_state_display()}"
    tokens = document.token_count if document.is_askable else 0
    facts = {"name": document.name, "path": document.path, "sha256": document.sha256}
    return {**facts, "token_count": tokens, "left_out": left_out}


def _begin(sweep: Sweep) -> None:
    checklist = sweep.checklist
    sweep.job = job_create(owner=checklist.owner, kind=JobKind.SWEEP, label=str(checklist))
    sweep.state, sweep.error = SweepState.WAITING, ""
    sweep.save(update_fields=["job", "state", "error", "updated_at"])


@transaction.atomic
def sweep_continue(*, sweep: Sweep) -> bool:
    """Asks what a sweep that has ended left open: what it did not come to, what failed, and documents that can be asked only now."""
    row = Sweep.objects.select_for_update().select_related("checklist__owner").get(id=sweep.id)
    if not row.has_ended:
        return False
    Cell.objects.filter(document__sweep=row).exclude(error="").delete()
    for left_out in row.documents.exclude(left_out="").select_related("document"):
        if left_out.document is not None:
            SweptDocument.objects.filter(id=left_out.id).update(**_facts(left_out.document))
    _begin(row)
    return True


def sweep_stop(*, sweep: Sweep) -> bool:
    """Stops the engine at its next turn; what has been answered stays. A sweep that has ended stays as it is."""
    stopped = Sweep.objects.filter(id=sweep.id, state__in=ACTIVE).update(state=SweepState.STOPPED)
    if stopped and sweep.job:
        job_cancel(job=sweep.job)
    return bool(stopped)


def sweep_start(*, sweep: Sweep) -> bool:
    """False: it was stopped meanwhile."""
    return bool(Sweep.objects.filter(id=sweep.id, state__in=ACTIVE).update(state=SweepState.RUNNING))


def sweep_end(*, sweep: Sweep, state: SweepState, error: str = "") -> bool:
    """Ends a sweep that has not ended."""
    return bool(Sweep.objects.filter(~Q(state__in=SWEEP_ENDED), id=sweep.id).update(state=state, error=error))


def verdict_set(*, cell: Cell, person: User, judgement: str, note: str) -> Verdict | None:
    """What this person says of the cell, in place of what was said before; nothing said takes the verdict back. Raises VerdictRefused."""
    note = "\n".join(printable(line).rstrip() for line in note.strip().splitlines())
    if judgement not in Judgement.values:
        raise VerdictRefused(gettext("An answer is confirmed, wrong, or not judged."))
    if len(note) > MOST_NOTE_CHARACTERS:
        said = gettext("This note has {n:,} characters; the limit is {most:,}.")
        raise VerdictRefused(said.format(n=len(note), most=MOST_NOTE_CHARACTERS))
    if not judgement and not note:
        Verdict.objects.filter(cell=cell).delete()
        return None
    fields = {"judgement": judgement, "note": note, "person": person}
    return Verdict.objects.update_or_create(cell=cell, defaults=fields)[0]


@receiver(job_broke)
def job_broke_for_sweep(job: Job, **_: object) -> None:
    for sweep in Sweep.objects.filter(job=job):
        state = SweepState.STOPPED if job.state == JobState.CANCELLED else SweepState.FAILED
        sweep_end(sweep=sweep, state=state, error="" if state == SweepState.STOPPED else job.error)


@receiver(job_restarted)
def job_restarted_for_sweep(job: Job, **_: object) -> None:
    Sweep.objects.filter(job=job).update(state=SweepState.WAITING, error="")
