"""Answers one question with the engine: its events go to the followers as they come, and the whole into the rows at the end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any

from django.db import transaction

from engine.events import AnswerEvent, AnswerOptions, Done, Failed, Located, Quote, Token
from engine.face import EngineFace
from engine.prompt import Prompt
from ingest.document import open_prompt
from ingest.progress import Progress, Report
from ingest.prompt.page_map import PageMap
from webapp.ask import event_log
from webapp.ask.models import Answer, AnswerState, Citation
from webapp.ask.services import answer_end
from webapp.core.model_files import lexical_path
from webapp.jobs.models import Job
from webapp.jobs.running import Outcome
from webapp.library.models import ASKABLE, Collection, Document


def answer(job: Job, report: Report, engine: EngineFace) -> Outcome:
    """The work of an ANSWER job. A second attempt starts again, and says so to those who saw the first."""
    row = Answer.objects.select_related("question__collection__owner").filter(job=job).first()
    if row is None:
        return Outcome.DONE  # its collection was deleted while it waited
    started = Answer.objects.filter(id=row.id, state__in=(AnswerState.WAITING, AnswerState.STREAMING)).update(state=AnswerState.STREAMING)
    if not started:
        return Outcome.DONE
    if job.attempt > 1:
        event_log.write(row.id, "restart", {})
    documents = documents_asked(row.question.collection)
    prompt = _prompt(row.question.collection, documents)
    Answer.objects.filter(id=row.id).update(prompt_hash=prompt_hash(row.question.text, documents))
    report(Progress("answering", 0, 0, ""))
    with closing(engine.answer(prompt, row.question.text, options=AnswerOptions())) as events:  # type: ignore[type-var]
        _Recording(row, documents, report).follow(events)
    return Outcome.DONE


def documents_asked(collection: Collection) -> list[Document]:
    """The documents of the collection's prompt, in its order."""
    return list(collection.documents.filter(state__in=ASKABLE, is_archive=False).order_by("path", "created_at"))


def _prompt(collection: Collection, documents: list[Document]) -> Prompt:
    parsed = [(str(document.id), document.path, document.folder) for document in documents]
    return open_prompt(parsed, lexical_path(collection.id), collection.owner.salt)


def prompt_hash(question: str, documents: list[Document]) -> str:
    """Names what was asked of what: the same documents in the same order give the same hash."""
    asked = [question, *(document.sha256 for document in documents)]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


class _Recording:
    """Passes an answer's events on and keeps what the row needs."""

    def __init__(self, row: Answer, documents: list[Document], report: Report) -> None:
        self.row = row
        self.documents = {str(document.id): document for document in documents}
        self.maps: dict[str, PageMap] = {}
        self.report = report
        self.text = ""
        self.located: list[dict[str, Any]] = []
        self.citations: list[Citation] = []

    def follow(self, events: Iterator[AnswerEvent]) -> None:
        for event in events:
            if event_log.stop_requested(self.row.id):
                self._stop()
                return
            match event:
                case Located():
                    self._located(event)
                case Token():
                    self._token(event)
                case Quote():
                    self._quote(event)
                case Done():
                    self._done(event)
                case Failed():
                    answer_end(answer=self.row, state=AnswerState.FAILED, error=event.message)

    def _place(self, document: str, start: int, end: int) -> dict[str, Any]:
        row = self.documents[document]
        if document not in self.maps:
            self.maps[document] = PageMap.open(row.folder.parsed)
        place = self.maps[document].place(start, end)
        return {
            "document": document,
            "name": row.name,
            "path": row.path,
            "page": place.page,
            "first_line": place.first_line,
            "last_line": place.last_line,
            "start_char": start,
            "end_char": end,
        }

    def _located(self, event: Located) -> None:
        scores = {
            "score": event.score,
            "lexical": event.lexical,
            "attention": event.attention,
            "likelihood": event.likelihood,
            "text": event.text,
        }
        self.located.append(self._place(event.document, event.start_char, event.end_char) | scores)
        event_log.write(self.row.id, "located", {"places": self.located})

    def _token(self, event: Token) -> None:
        if not event.text:
            return  # a server is silent: only a moment to stop
        self.text += event.text
        self.report(Progress("answering", len(self.text), 0, "characters"))
        event_log.write(self.row.id, "token", {"text": event.text})

    def _quote(self, event: Quote) -> None:
        place = self._place(event.document, event.start_char, event.end_char)
        citation = Citation(
            answer=self.row,
            number=len(self.citations) + 1,
            document=self.documents[event.document],
            document_name=place["name"],
            document_path=place["path"],
            page=place["page"],
            first_line=place["first_line"],
            last_line=place["last_line"],
            quote=event.text,
            start_char=event.start_char,
            end_char=event.end_char,
            verified=event.verified,
        )
        self.citations.append(citation)
        event_log.write(self.row.id, "citation", _shown(citation))

    def _done(self, event: Done) -> None:
        self._keep(
            AnswerState.DONE,
            text=event.answer,
            found=event.found,
            confidence=event.confidence,
            model=event.model,
            mode=event.mode,
            usage=asdict(event.usage),
            timings=asdict(event.timings),
        )

    def _stop(self) -> None:
        self._keep(AnswerState.STOPPED, text=self.text)

    @transaction.atomic
    def _keep(self, state: AnswerState, **fields: Any) -> None:
        if not Answer.objects.select_for_update().filter(id=self.row.id).exists():
            return  # its collection was deleted while it was answered
        self.row.citations.all().delete()
        Citation.objects.bulk_create(self.citations)
        Answer.objects.filter(id=self.row.id).update(located=self.located, **fields)
        answer_end(answer=self.row, state=state)


def _shown(citation: Citation) -> dict[str, Any]:
    """A citation's fields as plain data, under the names that they have in the row."""
    names = ("number", "document_name", "document_path", "page", "first_line", "last_line", "quote", "start_char", "end_char", "verified")
    return {"document_id": str(citation.document_id)} | {name: getattr(citation, name) for name in names}
