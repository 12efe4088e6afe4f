"""Reads of sweeps: how far one is, what it covers, and its table: as much as webapp.library.access lets a user see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.paginator import Page as PaginatedPage
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext

from engine.quote import beside
from webapp.accounts.models import User
from webapp.checklist.models import Cell, Judgement, Sweep, SweepState, SweptDocument, Verdict
from webapp.core.templatetags.words import counted
from webapp.library.access import Right, reach, require
from webapp.library.models import Collection

DOCUMENTS_A_PAGE = 50
SWEEPS_SHOWN = 50
NAMES_SHOWN = 5
# An estimate from less than this is noise.
ESTIMATE_CELLS = 3


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A document that the table says nothing of, or not all, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a sweep has put its questions to, of all that the collection held. A document counts when all its questions are answered.

    `askable_now`: how many of those that were left out can be asked by now."""

    documents: int
    documents_of: int
    tokens: int
    tokens_of: int
    cells: int
    cells_of: int
    found: int
    left_out: list[LeftOut]
    failed: list[LeftOut]
    askable_now: int
    confirmed: int = 0
    wrong: int = 0

    @property
    def has_more(self) -> bool:
        """Whether asking again could fill the table further."""
        return bool(self.cells < self.cells_of or self.failed or self.askable_now)

    @property
    def missing(self) -> int:
        return len(self.left_out) + len(self.failed)

    @property
    def line(self) -> str:
        """40 of 42 documents, 1.2 of 1.3 million tokens; 2 failed: a.pdf, b.pdf"""
        documents = gettext("{n} of {documents}").format(n=intcomma(self.documents), documents=counted(self.documents_of, "document"))
        parts = [f"{documents}, {_tokens(self.tokens, self.tokens_of)}"]
        for said, rows in ((gettext("{n} not asked: {names}"), self.left_out), (gettext("{n} failed: {names}"), self.failed)):
            parts += [said.format(n=intcomma(len(rows)), names=_names(rows))] if rows else []
        return "; ".join(parts)


def _tokens(done: int, total: int) -> str:
    if total < 10**6:
        return gettext("{n} of {tokens}").format(n=intcomma(done), tokens=counted(total, "token"))
    return gettext("{n} of {total} million tokens").format(n=_millions(done), total=_millions(total))


def _millions(count: int) -> str:
    return number_format(round(count / 10**6, 1), 1)


def _names(rows: Sequence[LeftOut]) -> str:
    names = ", ".join(row.path for row in rows[:NAMES_SHOWN])
    if len(rows) <= NAMES_SHOWN:
        return names
    return gettext("{names} and {n} more").format(names=names, n=intcomma(len(rows) - NAMES_SHOWN))


@dataclass(frozen=True, slots=True)
class Pace:
    """Answers a minute since the job at work began, and the seconds that the rest takes at that; None while they cannot be told."""

    per_minute: float | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class TableCell:
    """One place of the table: `document_id` opens the viewer, None where the document is gone; `cell` is None until it is answered."""

    document: SweptDocument
    number: int
    question: str
    cell: Cell | None

    @property
    def key(self) -> str:
        return f"cell-{self.document.number}-{self.number}"

    @property
    def verdict(self) -> Verdict | None:
        return getattr(self.cell, "verdict", None)

    @property
    def citations(self) -> list[dict[str, Any]]:
        """With the document that they are of, so that they can be opened, and whether each is of another sentence that may answer."""
        if self.cell is None:
            return []
        told = beside(self.cell.answer, [citation["quote"] for citation in self.cell.citations])
        own = {"document_id": self.document.document_id}
        return [citation | own | {"other": other} for citation, other in zip(self.cell.citations, told, strict=True)]

    @property
    def nearest(self) -> dict[str, Any] | None:
        """The best located place, opened without a mark: it is no quote."""
        return self.cell.nearest | {"document": self.document.document_id} if self.cell and self.cell.nearest else None


@dataclass(frozen=True, slots=True)
class TableRow:
    """`title` and `document` of a document's row, `title` alone of a question's."""

    title: str
    document: SweptDocument | None
    cells: list[TableCell]


@dataclass(frozen=True, slots=True)
class Table:
    """Documents down and questions across, or the other way round: the longer list goes down."""

    across: list[TableRow]
    down: list[TableRow]
    questions_down: bool
    page: PaginatedPage[SweptDocument]


def sweep_list(*, collection: Collection) -> QuerySet[Sweep]:
    sweeps = Sweep.objects.filter(checklist__collection=collection).select_related("checklist")
    return sweeps.annotate(document_count=Count("documents"))[:SWEEPS_SHOWN]


def sweeps_of(*, user: User) -> QuerySet[Sweep]:
    """Everybody's, in every collection that the user may see."""
    return Sweep.objects.filter(reach(user, via="checklist__collection")).select_related("checklist")


def sweep_detail(*, user: User, sweep_id: UUID, right: Right = Right.READ) -> Sweep:
    """Raises Http404 where the user may see no such sweep, PermissionDenied where the user has not this right to its collection."""
    sweeps = Sweep.objects.select_related("checklist__collection__owner", "checklist__owner", "job")
    sweep = get_object_or_404(sweeps, reach(user, via="checklist__collection"), id=sweep_id)
    require(user, right, sweep.checklist.collection)
    return sweep


def cell_list(*, sweep: Sweep) -> QuerySet[Cell]:
    """By document, then question."""
    return Cell.objects.filter(document__sweep=sweep).select_related("document", "verdict__person")


def cell_detail(*, user: User, cell_id: UUID, right: Right = Right.CHANGE) -> Cell:
    """Raises as sweep_detail does."""
    cells = Cell.objects.select_related("document__sweep__checklist__collection__owner", "verdict__person")
    cell = get_object_or_404(cells, reach(user, via="document__sweep__checklist__collection"), id=cell_id)
    require(user, right, cell.document.sweep.checklist.collection)
    return cell


def table_cell(cell: Cell) -> TableCell:
    """A cell in its place of the table."""
    return TableCell(cell.document, cell.question, cell.document.sweep.checklist.questions[cell.question], cell)


def coverage(*, sweep: Sweep) -> Coverage:
    questions = len(sweep.checklist.questions)
    counts = sweep.documents.select_related("document").annotate(
        answered=Count("cells", filter=Q(cells__error="")),
        failed=Count("cells", filter=~Q(cells__error="")),
        found=Count("cells", filter=Q(cells__found=True)),
    )
    rows = list(counts)
    whole = [row for row in rows if row.answered == questions]
    asked = [row for row in rows if not row.left_out]
    return Coverage(
        documents=len(whole),
        documents_of=len(rows),
        tokens=sum(row.token_count for row in whole),
        tokens_of=sum(row.token_count for row in rows),
        cells=sum(row.answered + row.failed for row in asked),
        cells_of=questions * len(asked),
        found=sum(row.found for row in rows),
        left_out=[LeftOut(row.path, row.left_out) for row in rows if row.left_out],
        failed=_failed(sweep, [row for row in rows if row.failed]),
        confirmed=_judged_as(sweep, Judgement.CONFIRMED),
        wrong=_judged_as(sweep, Judgement.WRONG),
        askable_now=sum(row.document is not None and row.document.is_askable for row in rows if row.left_out),
    )


def _judged_as(sweep: Sweep, judgement: Judgement) -> int:
    return Verdict.objects.filter(cell__document__sweep=sweep, judgement=judgement).count()


def _failed(sweep: Sweep, rows: Sequence[SweptDocument]) -> list[LeftOut]:
    """Each with the first of its reasons."""
    reasons: dict[UUID, str] = {}
    for document, error in Cell.objects.filter(document__sweep=sweep).exclude(error="").values_list("document_id", "error"):
        reasons.setdefault(document, error)
    return [LeftOut(row.path, reasons.get(row.id, "")) for row in rows]


def pace(*, sweep: Sweep, left: int) -> Pace:
    """Of the job at work."""
    job = sweep.job
    if sweep.state != SweepState.RUNNING or job is None or job.started_at is None:
        return Pace(None, None)
    seconds = (timezone.now() - job.started_at).total_seconds()
    answered = Cell.objects.filter(document__sweep=sweep, created_at__gte=job.started_at).count()
    if answered < ESTIMATE_CELLS or seconds <= 0:
        return Pace(None, None)
    return Pace(60 * answered / seconds, seconds / answered * left)


def _judged() -> QuerySet[Cell]:
    return Cell.objects.select_related("verdict__person")


def table(*, sweep: Sweep, page: int) -> Table:
    found = Paginator(sweep.documents.all(), DOCUMENTS_A_PAGE).get_page(page)
    documents, questions = list(found.object_list), sweep.checklist.questions
    cells = {(cell.document_id, cell.question): cell for cell in _judged().filter(document__in=documents)}
    by_document = [
        TableRow(
            document.path,
            document,
            [TableCell(document, number, question, cells.get((document.id, number))) for number, question in enumerate(questions)],
        )
        for document in documents
    ]
    by_question = [TableRow(question, None, [row.cells[number] for row in by_document]) for number, question in enumerate(questions)]
    if len(by_question) > len(by_document):
        return Table(by_document, by_question, True, found)
    return Table(by_question, by_document, False, found)


def fresh_cells(*, sweep: Sweep, page: int, since: datetime) -> list[TableCell]:
    """Those of a page of the table that were answered since then."""
    documents = list(Paginator(sweep.documents.all(), DOCUMENTS_A_PAGE).get_page(page).object_list)
    cells = _judged().filter(document__in=documents, created_at__gte=since).select_related("document")
    return [TableCell(cell.document, cell.question, sweep.checklist.questions[cell.question], cell) for cell in cells]
