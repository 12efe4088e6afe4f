"""Does a sweep with the engine: each cell is a row as soon as it is answered, so whoever comes after a dead worker asks only the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import lru_cache
from itertools import groupby, islice
from typing import Any

from django.db import transaction

from engine.errors import EngineClosed, EngineError, PromptUnreadable, StoreFull
from engine.events import AnswerEvent, Done, Failed, Located, Quote
from engine.face import EngineFace
from engine.prompt import Prompt
from ingest.document import open_prompt
from ingest.progress import Progress, Report
from ingest.prompt.page_map import PageMap
from webapp.checklist.models import Cell, Sweep, SweepState, SweptDocument
from webapp.checklist.services import sweep_end, sweep_start
from webapp.core.model_files import lexical_path
from webapp.jobs.models import Job
from webapp.jobs.running import Outcome
from webapp.library.models import Document
from webapp.library.page_reading import kept_reading

# Other sweeps have their turn after so long, and after the document at hand.
SLICE_SECONDS = 60.0
# A report is a write, and the moment at which a sweep that was stopped is noticed.
REPORT_SECONDS = 0.5
# What so many documents one after another break on in the same words is broken itself, and not the documents.
BROKEN_DOCUMENTS = 3
NEAREST_CHARACTERS = 400
# So many documents are indexed, then asked. The engine asks several at once and none while it indexes.
TOGETHER = 16

Left = tuple[SweptDocument, tuple[int, ...]]


class SweepBroken(EngineError):
    """It makes no sense to go on; the message says why."""


class CollectionGone(Exception):
    """The sweep was deleted with its collection while it ran."""


def sweep(job: Job, report: Report, engine: EngineFace) -> Outcome:
    """The work of a SWEEP job: a slice of what no attempt has answered yet. Raises SweepBroken."""
    row = Sweep.objects.select_related("checklist__collection__owner").filter(job=job).first()
    if row is None or not sweep_start(sweep=row):
        return Outcome.DONE  # deleted with its collection, or stopped, while it waited
    sweeping = _Sweeping(row, report)
    try:
        if not sweeping.slice(engine, time.monotonic() + SLICE_SECONDS):
            return Outcome.MORE
    except CollectionGone:
        return Outcome.DONE
    except EngineClosed:
        return Outcome.MORE  # this worker ends; another goes on
    sweep_end(sweep=row, state=SweepState.DONE)
    return Outcome.DONE


def cells_left(row: Sweep) -> list[Left]:
    """The documents with the numbers of the questions that have no cell, in the prompt's order."""
    answered: dict[Any, set[int]] = {}
    for document, question in Cell.objects.filter(document__sweep=row).order_by().values_list("document_id", "question"):
        answered.setdefault(document, set()).add(question)
    every = range(len(row.checklist.questions))
    asked = row.documents.filter(left_out="").select_related("document")
    left = [(document, tuple(number for number in every if number not in answered.get(document.id, ()))) for document in asked]
    return [(document, numbers) for document, numbers in left if numbers]


class _Sweeping:
    """One slice of a sweep."""

    def __init__(self, row: Sweep, report: Report) -> None:
        self.row, self.report = row, report
        self.left = cells_left(row)
        self.total = len(row.checklist.questions) * row.documents.filter(left_out="").count()
        self.done = self.total - sum(len(numbers) for _, numbers in self.left)
        self.reported_at, self.deadline, self.cut = 0.0, 0.0, False
        self.answering: dict[tuple[str, int], _Answering] = {}
        self.page_map = lru_cache(maxsize=8)(_page_map)
        self.broken: list[tuple[SweptDocument, str]] = []
        self.failed_alike: dict[str, set[Any]] = {}

    def slice(self, engine: EngineFace, deadline: float) -> bool:
        """False where the time was up before all was answered."""
        self.deadline = deadline
        self._tell(force=True)
        for numbers, left in groupby(self.left, key=lambda one: one[1]):
            documents = (document for document, _ in left)
            while some := list(islice(documents, TOGETHER)):
                self._index(engine, some)
                self._together(engine, some, numbers)
        self._tell(force=True)
        return not self.cut

    def _index(self, engine: EngineFace, documents: list[SweptDocument]) -> None:
        """What a document is said not to hold must not depend on how far reading ahead has come with it."""
        for document in documents:
            if self._is_late(document):
                return
            with suppress(OSError, ValueError, StoreFull, PromptUnreadable):  # whoever asks it says so
                self._index_one(engine, self._prompt(document))

    def _index_one(self, engine: EngineFace, prompt: Prompt) -> None:
        with closing(engine.prefill(prompt)) as events:  # type: ignore[type-var]
            for event in events:
                if event.tier != "index" or event.tokens_done == event.tokens:
                    return
                self._tell()

    def _together(self, engine: EngineFace, documents: list[SweptDocument], numbers: tuple[int, ...]) -> None:
        """The same questions to some documents."""
        questions = [self.row.checklist.questions[number] for number in numbers]
        rows = {str(document.document_id): document for document in documents}
        with closing(engine.sweep(self._prompts(documents), questions)) as events:  # type: ignore[type-var]
            for document, which, event in events:
                self._take(rows[document], numbers[which], event)
        while self.broken:
            broken, reason = self.broken.pop()
            for number in numbers:
                self._keep(Cell(document=broken, question=number, error=reason))

    def _prompts(self, documents: list[SweptDocument]) -> Iterator[Prompt]:
        """Each when the engine comes to it, until the time is up. May be asked from a thread of the engine's, so it writes no row."""
        for document in documents:
            if self._is_late(document):
                self.cut = True
                return
            try:
                yield self._prompt(document)
            except (OSError, ValueError) as error:
                self.broken.append((document, f"Its files cannot be read ({error}). Parse the document again."))

    def _is_late(self, document: SweptDocument) -> bool:
        """The time is up, and this is not the document with which the slice began."""
        return time.monotonic() >= self.deadline and document != self.left[0][0]

    def _prompt(self, document: SweptDocument) -> Prompt:
        if document.document is None:
            raise FileNotFoundError("The document has been deleted.")
        collection = self.row.checklist.collection
        parsed = [(str(document.document_id), document.path, document.document.folder)]
        return open_prompt(parsed, lexical_path(collection.id), collection.owner.salt)

    def _take(self, document: SweptDocument, number: int, event: AnswerEvent) -> None:
        key = str(document.id), number
        if key not in self.answering:
            self.answering[key] = _Answering(document, number, self.page_map)
        if (cell := self.answering[key].take(event)) is not None:
            del self.answering[key]
            self._keep(cell, event)
        self._tell()

    def _keep(self, cell: Cell, event: AnswerEvent | None = None) -> None:
        self._write(cell, event)
        self.done += 1
        self._stop_where_all_is_broken(cell)

    @transaction.atomic
    def _write(self, cell: Cell, event: AnswerEvent | None) -> None:
        if not Sweep.objects.select_for_update().filter(id=self.row.id).exists():
            raise CollectionGone
        Cell.objects.bulk_create([cell], ignore_conflicts=True)  # one that two workers answered is there already
        if isinstance(event, Done) and (event.model, event.mode) != (self.row.model, self.row.mode):
            self.row.model, self.row.mode = event.model, event.mode
            Sweep.objects.filter(id=self.row.id).update(model=event.model, mode=event.mode)

    def _stop_where_all_is_broken(self, cell: Cell) -> None:
        if not cell.error:
            self.failed_alike.clear()
            return
        documents = self.failed_alike.setdefault(cell.error, set())
        documents.add(cell.document_id)
        if len(documents) >= BROKEN_DOCUMENTS:
            raise SweepBroken(cell.error)

    def _tell(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self.reported_at >= REPORT_SECONDS:
            self.reported_at = now
            self.report(Progress("asking", self.done, self.total, "answers"))


class _Answering:
    """One answer in the making."""

    def __init__(self, document: SweptDocument, number: int, page_map: Callable[[Document], PageMap]) -> None:
        self.cell, self.document, self.page_map = Cell(document=document, question=number), document, page_map

    def take(self, event: AnswerEvent) -> Cell | None:
        """The cell, once it has all of it."""
        try:
            match event:
                case Located() if not self.cell.nearest:
                    text = event.text[:NEAREST_CHARACTERS]
                    self.cell.nearest = self._place(event.start_char, event.end_char) | {"text": text}
                case Quote():
                    number = {"number": len(self.cell.citations) + 1, "quote": event.text, "verified": event.verified}
                    self.cell.citations.append(number | self._place(event.start_char, event.end_char))
                case Done():
                    return self._done(event)
                case Failed():
                    return Cell(document=self.document, question=self.cell.question, error=event.message)
        except OSError as error:
            self.cell.error = f"Its files cannot be read ({error}). Parse the document again."
        return None

    def _done(self, event: Done) -> Cell:
        self.cell.answer, self.cell.found, self.cell.confidence = event.answer, event.found, event.confidence
        self.cell.read_tokens = event.usage.read_tokens
        if event.found:
            self.cell.nearest = {}
        return self.cell

    def _place(self, start: int, end: int) -> dict[str, Any]:
        assert self.document.document is not None, "one without files is not asked"
        place = self.page_map(self.document.document).place(start, end)
        lines = {"first_line": place.first_line, "last_line": place.last_line}
        return {"page": place.page, **lines, "start_char": start, "end_char": end, "reading": kept_reading(place.reading)}


def _page_map(document: Document) -> PageMap:
    return PageMap.open(document.folder.parsed)
