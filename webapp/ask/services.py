"""Asking a collection, and stopping an answer."""

from __future__ import annotations

from collections.abc import Collection as Ids
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.dispatch import receiver
from django.utils.translation import gettext

from webapp.accounts.models import User
from webapp.ask import event_log
from webapp.ask.models import Answer, AnswerState, Conversation, Question
from webapp.core.words import printable
from webapp.jobs.models import Job, JobKind, JobState
from webapp.jobs.services import job_cancel, job_create
from webapp.jobs.signals import job_broke, job_restarted
from webapp.library.models import ASKABLE, Collection

MOST_CHARACTERS = 2000
MOST_TITLE_CHARACTERS = 200
ENDED = (AnswerState.DONE, AnswerState.STOPPED, AnswerState.FAILED)


class QuestionRefused(Exception):
    """A question that cannot be asked; the message says what to do."""


class TitleRefused(Exception):
    """A title that cannot be used; the message says why."""


@transaction.atomic
def question_ask(
    *,
    collection: Collection,
    owner: User,
    text: str,
    follows: Question | None = None,
    by_itself: bool = False,
    left_out: Ids[UUID] = (),
) -> Question:
    """Queues the answer. Raises QuestionRefused.

    `follows`: the question of the collection that this one leads on from, in the same conversation; where it finds nothing, it borrows
    words of that one, unless it is to stand `by_itself`. `left_out`: documents, or archives with all their files, that are not asked.
    """
    text = " ".join(printable(text).split())
    if not text:
        raise QuestionRefused(gettext("Type a question first."))
    if len(text) > MOST_CHARACTERS:
        said = gettext("This question has {n:,} characters; the limit is {most:,}. Ask in fewer words.")
        raise QuestionRefused(said.format(n=len(text), most=MOST_CHARACTERS))
    question = Question.objects.create(
        conversation=_conversation(collection, owner, follows),
        collection=collection,
        owner=owner,
        text=text,
        follows=None if by_itself else follows,
        left_out=_left_out(collection, left_out),
    )
    job = job_create(owner=owner, kind=JobKind.ANSWER, label=text)
    Answer.objects.create(question=question, job=job)
    return question


def _conversation(collection: Collection, owner: User, follows: Question | None) -> Conversation:
    if follows is not None and follows.conversation is not None:
        return follows.conversation
    conversation = Conversation.objects.create(collection=collection, owner=owner)
    if follows is not None:
        Question.objects.filter(id=follows.id).update(conversation=conversation)
    return conversation


def _left_out(collection: Collection, ids: Ids[UUID]) -> list[dict[str, str]]:
    """The documents not asked, by id and path. Raises QuestionRefused where none remains."""
    askable = collection.documents.filter(state__in=ASKABLE, is_archive=False)
    if not askable.exists():
        raise QuestionRefused(gettext("Nothing can be asked here yet. Add a document, or wait until the first one is parsed."))
    if not ids:
        return []
    out = Q(id__in=ids) | Q(archive__in=ids)
    if not askable.exclude(out).exists():
        raise QuestionRefused(gettext("Every document is left out. Tick at least one to ask."))
    rows = collection.documents.filter(out, is_archive=False).order_by("path", "created_at").values_list("id", "path")
    return [{"document": str(id), "path": path} for id, path in rows]


def documents_but(*, collection: Collection, only: Ids[UUID]) -> set[UUID]:
    """What is left out where `only` these documents, or archives with all their files, are asked."""
    asked = Q(id__in=only) | Q(archive__in=only)
    return set(collection.documents.filter(is_archive=False).exclude(asked).values_list("id", flat=True))


def conversation_rename(*, conversation: Conversation, title: str) -> None:
    """'' gives it back the words of its first question. Raises TitleRefused."""
    title = " ".join(printable(title).split())
    if len(title) > MOST_TITLE_CHARACTERS:
        said = gettext("This title has {n} characters; the limit is {most}.")
        raise TitleRefused(said.format(n=len(title), most=MOST_TITLE_CHARACTERS))
    conversation.title = title
    conversation.save(update_fields=["title", "updated_at"])


def conversation_delete(*, conversation: Conversation) -> None:
    """With its questions, answers and links; what is still being answered is stopped."""
    for answer in Answer.objects.filter(question__conversation=conversation).exclude(state__in=ENDED).select_related("job"):
        answer_stop(answer=answer)
    conversation.delete()


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
