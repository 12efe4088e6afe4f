"""What becomes of an answer's events: they go to the followers as they come, and the whole into the rows at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

from django.db import transaction

from engine.events import AnswerEvent, Done, Failed, Located, Quote, Timings, Token
from ingest.progress import Progress, Report
from ingest.prompt.page_map import PageMap
from webapp.ask import event_log
from webapp.ask.following import speaks_of
from webapp.ask.models import Answer, AnswerState, Citation
from webapp.ask.services import answer_end
from webapp.library.models import Document
from webapp.library.page_reading import kept_reading


class Recording:
    """Passes an answer's events on and keeps what the row needs."""

    def __init__(self, row: Answer, documents: list[Document], report: Report) -> None:
        self.row = row
        self.documents = {str(document.id): document for document in documents}
        self.maps: dict[str, PageMap] = {}
        self.report = report
        self.before: Done | None = None
        self._begin("")

    def _begin(self, own: str) -> None:
        self.own = own
        self.text = ""
        self.located: list[dict[str, Any]] = []
        self.citations: list[Citation] = []
        self.held: list[tuple[str, dict[str, Any]]] = []

    def follow(self, events: Iterator[AnswerEvent], *, again: bool = False, own: str = "") -> bool:
        """Whether the answer has ended. `again`: it has not where nothing was found, since it will be asked in other words.

        `own`: the answer counts only if a quote has a word of these; until that is known nothing of it is told. Closes the events.
        """
        self._begin(own)
        with closing(events):  # type: ignore[type-var]
            for event in events:
                if event_log.stop_requested(self.row.id):
                    self._stop()
                    return True
                if again and isinstance(event, Done) and not event.found:
                    self.before = event
                    return False
                self._take(event)
        return True

    def _take(self, event: AnswerEvent) -> None:
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

    def _tell(self, name: str, data: dict[str, Any]) -> None:
        if self.own:
            self.held.append((name, data))
        else:
            event_log.write(self.row.id, name, data)

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
            "reading": kept_reading(place.reading),
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
        self._tell("token", {"text": event.text})

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
            reading=place["reading"],
        )
        self.citations.append(citation)
        self._tell("citation", _shown(citation))

    def _done(self, event: Done) -> None:
        if self.own and not any(speaks_of(citation.quote, self.own) for citation in self.citations):
            event, self.citations, self.held = self._unfound(event), [], []
        for name, data in self.held:
            event_log.write(self.row.id, name, data)
        self._keep(
            AnswerState.DONE,
            text=event.answer,
            found=event.found,
            confidence=event.confidence,
            model=event.model,
            mode=event.mode,
            usage=asdict(event.usage),
            timings=asdict(self._in_all(event.timings)),
        )

    def _unfound(self, event: Done) -> Done:
        confidence = self.before.confidence if self.before else 0.0
        return replace(event, answer="", found=False, confidence=confidence)

    def _in_all(self, timings: Timings) -> Timings:
        """With the seconds of asking it the first time."""
        if self.before is None:
            return timings
        earlier = self.before.timings.total_s
        return replace(timings, first_token_s=earlier + timings.first_token_s, total_s=earlier + timings.total_s)

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
    names = ("number", "document_name", "document_path", "page", "first_line", "last_line", "quote", "start_char", "end_char")
    rest = ("verified", "reading")
    return {"document_id": str(citation.document_id)} | {name: getattr(citation, name) for name in names + rest}
