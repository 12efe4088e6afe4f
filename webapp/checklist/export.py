"""A sweep's table as CSV, with the place and the quote of each answer. From rows only, and a document at a time.

Spreadsheets run a cell that begins like a formula. What documents and people wrote is theirs, so such a cell gets an apostrophe in front,
which spreadsheets take for "this is text".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.utils.text import slugify

from webapp.checklist.models import Cell, Sweep, SweptDocument

FORMULA = re.compile(r"^[\s\x00]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
# So that Excel reads UTF-8 as what it is.
MARK = "\ufeff"
DOCUMENTS_AT_ONCE = 100


def export_response(sweep: Sweep) -> HttpResponse | StreamingHttpResponse:
    """The file, named after the collection."""
    name = slugify(sweep.checklist.collection.name)[:60].strip("-") or "sweep"
    response = StreamingHttpResponse(sweep_csv(sweep), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "private, no-store"
    return response


def sweep_csv(sweep: Sweep) -> Iterator[str]:
    """Its lines: a head, then a line a document; three columns a question."""
    questions = sweep.checklist.questions
    head = ["document", "tokens", "state"]
    for question in questions:
        head += [question, f"{question} (place)", f"{question} (quote)"]
    yield MARK + _line(head)
    for document in sweep.documents.prefetch_related("cells").iterator(DOCUMENTS_AT_ONCE):
        yield _line(_columns(document, len(questions)))


def _columns(document: SweptDocument, questions: int) -> list[Any]:
    cells = {cell.question: cell for cell in document.cells.all()}
    columns: list[Any] = [document.path, document.token_count, _state(document, len(cells), questions)]
    for number in range(questions):
        columns += _cell(cells.get(number))
    return columns


def _state(document: SweptDocument, answered: int, questions: int) -> str:
    if document.left_out:
        return f"not asked: {document.left_out}"
    return "asked" if answered == questions else f"{answered} of {questions} asked"


def _cell(cell: Cell | None) -> list[str]:
    if cell is None:
        return ["", "", ""]
    if cell.error:
        return [f"failed: {cell.error}", "", ""]
    if not cell.found:
        return ["not found", "", ""]
    return [cell.answer, "; ".join(map(place, cell.citations)), " […] ".join(citation["quote"] for citation in cell.citations)]


def place(citation: dict[str, Any]) -> str:
    """page 12; line 40; lines 40-58; and what was not found there word for word says so."""
    first, last = citation["first_line"], citation["last_line"]
    if citation["page"] is not None:
        words = f"page {citation['page']}"
    else:
        words = f"line {first}" if last in (None, first) else f"lines {first}-{last}"
    return words if citation["verified"] else f"{words} (not verified)"


def _line(columns: list[Any]) -> str:
    target = io.StringIO()
    csv.writer(target).writerow([harmless(column) if isinstance(column, str) else column for column in columns])
    return target.getvalue()


def harmless(text: str) -> str:
    """Text that no spreadsheet runs."""
    text = text.replace("\x00", "")
    return f"'{text}" if FORMULA.match(text) else text
