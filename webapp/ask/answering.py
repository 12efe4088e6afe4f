"""Answers one question with the engine: by itself, or where it follows one that named documents, of these; and where that finds nothing, in
the words of the one before too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from engine.events import AnswerEvent, AnswerOptions
from engine.face import EngineFace
from engine.naming import named
from engine.prompt import Prompt
from ingest.document import open_prompt
from ingest.progress import Progress, Report
from webapp.ask import event_log
from webapp.ask.following import of_the_same, together
from webapp.ask.models import Answer, AnswerState, Question
from webapp.ask.recording import Recording
from webapp.core.model_files import lexical_path
from webapp.jobs.models import Job
from webapp.jobs.running import Outcome
from webapp.library.models import ASKABLE, Collection, Document


def answer(job: Job, report: Report, engine: EngineFace) -> Outcome:
    """The work of an ANSWER job. A second attempt starts again, and says so to those who saw the first."""
    row = Answer.objects.select_related("question__collection__owner", "question__follows__answer").filter(job=job).first()
    if row is None:
        return Outcome.DONE  # its collection was deleted while it waited
    started = Answer.objects.filter(id=row.id, state__in=(AnswerState.WAITING, AnswerState.STREAMING)).update(state=AnswerState.STREAMING)
    if not started:
        return Outcome.DONE
    if job.attempt > 1:
        event_log.write(row.id, "restart", {})
    report(Progress("answering", 0, 0, ""))
    _ask(row, report, engine)
    return Outcome.DONE


def _ask(row: Answer, report: Report, engine: EngineFace) -> None:
    question = row.question
    documents = documents_asked(question)
    prompt = _prompt(question.collection, documents)
    recording = Recording(row, documents, report)

    def asked(words: str) -> Iterator[AnswerEvent]:
        Answer.objects.filter(id=row.id).update(prompt_hash=prompt_hash(words, documents))
        return engine.answer(prompt, words, options=AnswerOptions())

    first, borrowed = _wordings(question, prompt)
    Question.objects.filter(id=question.id).update(asked_as=first if first != question.text else "")
    if recording.follow(asked(first), again=bool(borrowed)):
        return
    Question.objects.filter(id=question.id).update(asked_as=borrowed)
    recording.follow(asked(borrowed), own=question.text)


def _wordings(question: Question, prompt: Prompt) -> tuple[str, str]:
    """How the question is put, and how once more if it finds nothing: in words of the one that it follows, '' if there are none. That one's
    own loans go on to this one."""
    before = question.follows
    if before is None:
        return question.text, ""
    names = before.answer.usage.get("named", [])
    borrowed = together(named(prompt, before.words).question, question.text)
    return of_the_same(prompt, names, question.text), of_the_same(prompt, names, borrowed) if borrowed else ""


def documents_asked(question: Question) -> list[Document]:
    """The documents of the question's prompt, in the collection's order. What came after the question is asked too."""
    askable = question.collection.documents.filter(state__in=ASKABLE, is_archive=False)
    return list(askable.exclude(id__in=[row["document"] for row in question.left_out]).order_by("path", "created_at"))


def _prompt(collection: Collection, documents: list[Document]) -> Prompt:
    parsed = [(str(document.id), document.path, document.folder) for document in documents]
    return open_prompt(parsed, lexical_path(collection.id), collection.owner.salt)


def prompt_hash(question: str, documents: list[Document]) -> str:
    """Names what was asked of what: the same documents in the same order give the same hash."""
    asked = [question, *(document.sha256 for document in documents)]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()
