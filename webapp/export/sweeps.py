"""A sweep's table as what can be taken home: a sheet with a row a document, or a paper with a part a document. A document at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext

from engine.quote import beside
from ingest.model import Reading
from webapp.checklist.models import Cell, Sweep, SweptDocument, Verdict
from webapp.checklist.selectors import coverage
from webapp.core.templatetags.words import counted
from webapp.export.blocks import Block, Cited, Facts, Grid, Heading, Plain, Sheet, place_said
from webapp.export.forms import Taken
from webapp.export.pages import MOST_PAGES, Pages
from webapp.library.page_reading import read_by_ocr

DOCUMENTS_AT_ONCE = 100
WIDTHS = (0.24, 0.22, 0.36, 0.18)


def taken_sweep(sweep: Sweep) -> Taken:
    return Taken(
        title=sweep.checklist.collection.name,
        answers=Cell.objects.filter(document__sweep=sweep).count(),
        parts=sweep.documents.count(),
        unit="documents",
        figures=lambda: min(MOST_PAGES, cited_pages(sweep)),
        record=lambda: sweep_record(sweep),
        sheet=lambda: sweep_sheet(sweep),
        blocks=lambda pages: sweep_blocks(sweep, Pages(wanted=pages)),
        cited=lambda: sweep_cited(sweep),
    )


def cited_pages(sweep: Sweep) -> int:
    """How many pages are cited, of documents that are still there."""
    cited = Cell.objects.filter(document__sweep=sweep, document__document__isnull=False).values_list("document", "citations")
    return len({(document, citation["page"]) for document, citations in cited for citation in citations if citation["page"]})


def sweep_record(sweep: Sweep) -> dict[str, Any]:
    """Everything that the rows know of a sweep, JSON-ready."""
    return {
        "id": str(sweep.id),
        "collection": str(sweep.checklist.collection_id),
        "questions": sweep.checklist.questions,
        "state": sweep.state,
        "error": sweep.error,
        "model": sweep.model,
        "mode": sweep.mode,
        "asked_at": sweep.created_at.isoformat(),
        "coverage": coverage(sweep=sweep).line,
        "documents": [_document_record(document, sweep.checklist.questions) for document in _documents(sweep)],
    }


def _document_record(document: SweptDocument, questions: list[str]) -> dict[str, Any]:
    cells = document.cells.all()
    about = {"name": document.name, "path": document.path, "sha256": document.sha256, "tokens": document.token_count}
    return about | {"left_out": document.left_out, "answers": [_cell_record(cell, questions[cell.question]) for cell in cells]}


def _cell_record(cell: Cell, question: str) -> dict[str, Any]:
    names = ("answer", "found", "confidence", "citations", "nearest", "read_tokens", "error")
    return {"question": question} | {name: getattr(cell, name) for name in names} | {"verdict": _verdict_record(cell)}


def _verdict_record(cell: Cell) -> dict[str, Any] | None:
    if (verdict := _verdict(cell)) is None:
        return None
    by = verdict.person.get_username() if verdict.person else None
    return {"judgement": verdict.judgement, "note": verdict.note, "by": by, "at": verdict.updated_at.isoformat()}


def sweep_sheet(sweep: Sweep) -> Sheet:
    """A row a document; of each question the answer, its place, its quote, and where somebody has judged, the verdict."""
    judged = Verdict.objects.filter(cell__document__sweep=sweep).exists()
    head = ["document", "tokens", "state"]
    for question in sweep.checklist.questions:
        head += [question, f"{question} (place)", f"{question} (quote)", *([f"{question} (verdict)"] if judged else [])]
    return Sheet(head, _rows(sweep, judged))


def _rows(sweep: Sweep, judged: bool) -> Iterator[list[str | int | float | None]]:
    questions = len(sweep.checklist.questions)
    for document in _documents(sweep):
        cells = {cell.question: cell for cell in document.cells.all()}
        row: list[str | int | float | None] = [document.path, document.token_count, _state(document, len(cells), questions)]
        for number in range(questions):
            cell = cells.get(number)
            row += [_answer(cell), _places(cell), _quotes(cell), *([_judged(cell)] if judged else [])]
        yield row


def sweep_blocks(sweep: Sweep, pages: Pages) -> Iterator[Block]:
    covered = coverage(sweep=sweep)
    yield Heading(1, sweep.checklist.collection.name)
    yield Plain(gettext("{coverage}. {answers} found.").format(coverage=covered.line, answers=counted(covered.found, "answer")))
    for document in _documents(sweep):
        yield Heading(2, document.path)
        if document.left_out:
            yield Plain(gettext("Not asked: {reason}").format(reason=document.left_out))
            continue
        head = (gettext("Question"), gettext("Answer"), gettext("Quote and place"), gettext("Verdict"))
        yield Grid(head, list(_lines(document, sweep.checklist.questions)), WIDTHS)
        for citation in (citation for cell in document.cells.all() for citation in cell.citations):
            yield from pages.figure(document.document, citation["page"])
    yield Heading(2, gettext("How it was answered"))
    facts = {
        gettext("Asked"): f"{sweep.created_at:%Y-%m-%d %H:%M:%S %Z}",
        gettext("Sweep"): sweep.get_state_display(),
        gettext("Model"): sweep.model or gettext("none"),
        gettext("Mode"): sweep.mode or gettext("none"),
    }
    yield Facts(list(facts.items()))


def _lines(document: SweptDocument, questions: list[str]) -> Iterator[tuple[str, str, str, str]]:
    cells = {cell.question: cell for cell in document.cells.all()}
    for number, question in enumerate(questions):
        cell = cells.get(number)
        quote = "\n".join(part for part in (_quotes(cell), _places(cell)) if part)
        yield question, _answer(cell), quote, _judged(cell)


def sweep_cited(sweep: Sweep) -> Iterator[Cited]:
    for document in _documents(sweep):
        for citation in (citation for cell in document.cells.all() for citation in cell.citations):
            spot = place_said(citation["page"], citation["first_line"], citation["last_line"])
            yield Cited(document.name, document.path, spot, citation["quote"], document.sha256)


def _documents(sweep: Sweep) -> Iterator[SweptDocument]:
    """Some at a time, and no cursor open between: under one SQLite would refuse what a worker meanwhile says of its progress."""
    cells: QuerySet[Cell] = Cell.objects.select_related("verdict__person").order_by("question")
    documents = sweep.documents.select_related("document").prefetch_related(Prefetch("cells", cells)).order_by("number")
    last = -1
    while rows := list(documents.filter(number__gt=last)[:DOCUMENTS_AT_ONCE]):
        yield from rows
        last = rows[-1].number


def _state(document: SweptDocument, answered: int, questions: int) -> str:
    if document.left_out:
        return gettext("not asked: {reason}").format(reason=document.left_out)
    return gettext("asked") if answered == questions else gettext("{n} of {questions} asked").format(n=answered, questions=questions)


def _answer(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.error:
        return gettext("failed: {error}").format(error=cell.error)
    return cell.answer if cell.found else gettext("not found")


def _places(cell: Cell | None) -> str:
    return "; ".join(map(place, cell.citations)) if cell and cell.found and not cell.error else ""


def _quotes(cell: Cell | None) -> str:
    """Those that the answer rests on, then those of other sentences that may answer."""
    if cell is None or not cell.found or cell.error:
        return ""
    quotes = [citation["quote"] for citation in cell.citations]
    told = list(zip(quotes, beside(cell.answer, quotes), strict=True))
    own, others = (" […] ".join(quote for quote, other in told if other is wanted) for wanted in (False, True))
    return gettext("{quotes} — may answer too: {others}").format(quotes=own, others=others) if others else own


def place(citation: dict[str, Any]) -> str:
    """page 12; line 40; lines 40-58; and what was not found there word for word, or read by OCR, says so."""
    words = place_said(citation["page"], citation["first_line"], citation["last_line"])
    said = words if citation["verified"] else gettext("{place} (not verified)").format(place=words)
    reading = read_by_ocr(citation.get("reading", Reading.FILE))
    return f"{said} · {reading}" if reading else said


def _judged(cell: Cell | None) -> str:
    """confirmed: the note (alice, 2026-11-21)"""
    if cell is None or (verdict := _verdict(cell)) is None:
        return ""
    by = verdict.person.get_username() if verdict.person else gettext("somebody who is gone")
    said = ": ".join(part for part in (verdict.get_judgement_display() if verdict.judgement else "", verdict.note) if part)
    return f"{said} ({by}, {verdict.updated_at:%Y-%m-%d})"


def _verdict(cell: Cell) -> Verdict | None:
    return getattr(cell, "verdict", None)
