"""Asking a collection, and stopping an answer."""

from __future__ import annotations

from django.db import transaction
from django.dispatch import receiver

from webapp.accounts.models import User
from webapp.ask import event_log
from webapp.ask.models import Answer, AnswerState, Question
from webapp.core.words import printable
from webapp.jobs.models import Job, JobKind, JobState
from webapp.jobs.services import job_cancel, job_create
from webapp.jobs.signals import job_broke, job_restarted
from webapp.library.models import ASKABLE, Collection

MOST_CHARACTERS = 2000
ENDED = (AnswerState.DONE, AnswerState.STOPPED, AnswerState.FAILED)


class QuestionRefused(Exception):
    """A question that cannot be asked; the message says what to do."""


@transaction.atomic
def question_ask(*, collection: Collection, owner: User, text: str) -> Question:
    """Queues the answer. Raises QuestionRefused."""
    text = " ".join(printable(text).split())
    if not text:
        raise QuestionRefused("Type a question first.")
    if len(text) > MOST_CHARACTERS:
        raise QuestionRefused(f"This question has {len(text):,} characters; the limit is {MOST_CHARACTERS:,}. Ask in fewer words.")
    if not collection.documents.filter(state__in=ASKABLE, is_archive=False).exists():
        raise QuestionRefused("Nothing can be asked here yet. Add a document, or wait until the first one is parsed.")
    question = Question.objects.create(collection=collection, owner=owner, text=text)
    job = job_create(owner=owner, kind=JobKind.ANSWER, label=text)
    Answer.objects.create(question=question, job=job)
    return question


def answer_stop(*, answer: Answer) -> None:
    """Stops the model at its next token, or takes the question out of the queue. An answer that has ended stays as it is."""
    event_log.request_stop(answer.id)
    waiting = Answer.objects.filter(id=answer.id, state=AnswerState.WAITING).update(state=AnswerState.STOPPED)
    if waiting:
        if answer.job:
            job_cancel(job=answer.job)
        transaction.on_commit(lambda: event_log.write(answer.id, event_log.END, {}))


def answer_end(*, answer: Answer, state: AnswerState, error: str = "") -> bool:
    """Ends an answer that has not ended, and tells those who follow it."""
    ended = Answer.objects.filter(id=answer.id).exclude(state__in=ENDED).update(state=state, error=error)
    if ended:
        transaction.on_commit(lambda: event_log.write(answer.id, event_log.END, {}))
    return bool(ended)


@receiver(job_broke)
def job_broke_for_answer(job: Job, **_: object) -> None:
    for answer in Answer.objects.filter(job=job):
        state = AnswerState.STOPPED if job.state == JobState.CANCELLED else AnswerState.FAILED
        answer_end(answer=answer, state=state, error="" if state == AnswerState.STOPPED else job.error)


@receiver(job_restarted)
def job_restarted_for_answer(job: Job, **_: object) -> None:
    Answer.objects.filter(job=job).update(state=AnswerState.WAITING, error="")
