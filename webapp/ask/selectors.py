"""Reads of questions and answers, and what a collection's page suggests to ask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404

from webapp.accounts.models import User
from webapp.ask.models import Answer, Citation, Conversation, Question
from webapp.ask.suggesting import suggested
from webapp.core.templatetags.words import spot
from webapp.library.access import Right, may, reach, require
from webapp.library.models import ASKABLE, Collection, Document
from webapp.library.outline import Heading, headings_of
from webapp.library.selectors import document_spans
from webapp.library.strip import Strip, strip_of

QUESTIONS_SHOWN = 50
SUGGESTED_A_DOCUMENT = 2
SUGGESTED_DOCUMENTS = 5
# Of a larger one the headings are not looked for while somebody waits for the page.
SUGGESTED_BYTES = 8 * 10**6


@dataclass(frozen=True, slots=True)
class Mark:
    """A place lit on the evidence strip: a citation, or one of Answer.located."""

    at: float
    title: str
    place: Citation | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The whole prompt as a band, and where in it the answer comes from. `left_out`: ids of documents that were not asked."""

    strip: Strip
    cited: list[Mark]
    located: list[Mark]
    left_out: frozenset[str] = frozenset()

    @property
    def asked(self) -> int:
        """Documents of the prompt that were asked."""
        return sum(document not in self.left_out for document in self.strip.spans)


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of a conversation with its answer."""

    question: Question
    citations: list[Citation]

    @property
    def answer(self) -> Answer:
        return self.question.answer


def conversation_list(*, collection: Collection) -> list[list[Question]]:
    """The last conversations, the one that was last asked in first; the questions of each in the order in which they were asked."""
    conversations: dict[UUID, list[Question]] = {}
    for question in collection.questions.select_related("answer", "conversation")[:QUESTIONS_SHOWN]:
        conversations.setdefault(question.conversation_id or question.id, []).insert(0, question)
    return list(conversations.values())


def conversations_of(*, user: User) -> QuerySet[Conversation]:
    """Everybody's, in every collection that the user may see."""
    return Conversation.objects.filter(reach(user)).prefetch_related(Prefetch("questions", Question.objects.order_by("created_at")))


def conversation_detail(*, user: User, conversation_id: UUID) -> Conversation:
    """Raises Http404 where the user may see no such conversation."""
    return get_object_or_404(conversations_of(user=user).select_related("collection__owner"), id=conversation_id)


def conversation_questions(*, conversation: Conversation) -> QuerySet[Question]:
    """In the order in which they were asked."""
    return conversation.questions.select_related("answer", "collection").order_by("created_at")


def has_begun(*, user: User, conversation: Conversation) -> bool:
    """Whether it is the user's to rename and delete: who began it, or may change the collection."""
    return conversation.owner_id == user.pk or may(user, Right.CHANGE, conversation.collection)


def require_begun(*, user: User, conversation: Conversation) -> None:
    """Whoever began it may rename and delete it, and whoever may change the collection. Raises PermissionDenied for others."""
    if conversation.owner_id != user.pk:
        require(user, Right.CHANGE, conversation.collection)


def turn_list(*, question: Question) -> tuple[list[Turn], list[Turn]]:
    """The turns of the question's conversation before it and after it."""
    if question.conversation_id is None:
        return [], []
    others = Question.objects.filter(conversation=question.conversation_id).exclude(id=question.id).select_related("answer")
    others = others.prefetch_related("answer__citations__document").order_by("created_at")[:QUESTIONS_SHOWN]
    turns = [Turn(other, list(other.answer.citations.all())) for other in others]
    before = [turn for turn in turns if turn.question.created_at <= question.created_at]
    return before, turns[len(before) :]


def questions_of(*, user: User) -> QuerySet[Question]:
    """Everybody's, in every collection that the user may see."""
    return Question.objects.filter(reach(user)).select_related("answer")


def question_detail(*, user: User, question_id: UUID) -> Question:
    """Raises Http404 where the user may see no such question."""
    questions = Question.objects.select_related("collection__owner", "answer", "conversation", "follows")
    return get_object_or_404(questions, reach(user), id=question_id)


def followed(*, collection: Collection, question_id: UUID) -> Question:
    """The question, anybody's, that another one of the collection leads on from. Raises Http404 where it has none such."""
    return get_object_or_404(Question.objects.select_related("conversation"), collection=collection, id=question_id)


def answer_detail(*, user: User, answer_id: UUID) -> Answer:
    """Raises Http404 where the user may see no such answer."""
    answers = Answer.objects.select_related("question__collection__owner", "job")
    return get_object_or_404(answers, reach(user, via="question__collection"), id=answer_id)


def require_stop(*, user: User, question: Question) -> None:
    """Whoever asked may stop the answer, and whoever may change the collection. Raises PermissionDenied for others."""
    if question.owner_id != user.pk:
        require(user, Right.CHANGE, question.collection)


def citation_list(*, answer: Answer) -> list[Citation]:
    return list(answer.citations.select_related("document"))


def uncited_places(*, answer: Answer, citations: list[Citation]) -> list[dict[str, Any]]:
    """The located places in which no citation lies."""
    return [place for place in answer.located if not any(_holds(place, citation) for citation in citations)]


def _holds(place: Mapping[str, Any], citation: Citation) -> bool:
    inside = citation.start_char < place["end_char"] and citation.end_char > place["start_char"]
    return bool(inside and place["document"] == str(citation.document_id))


def evidence(*, collection: Collection, answer: Answer | None = None, citations: list[Citation] | None = None) -> Evidence:
    strip = strip_of(document_spans(collection=collection))
    cited = [_cited(strip, citation) for citation in citations or []]
    located = [_located(strip, place) for place in (answer.located if answer else [])]
    out = _not_asked(strip, answer) if answer else frozenset[str]()
    return Evidence(strip, [mark for mark in cited if mark], [mark for mark in located if mark], out)


def _not_asked(strip: Strip, answer: Answer) -> frozenset[str]:
    """Ids of the documents that were left out, and where the question names some, of all others."""
    out, named = {row["document"] for row in answer.question.left_out}, answer.usage.get("named")
    if named:
        out |= {document for document, span in strip.spans.items() if span.document.path not in named}
    return frozenset(out)


def _cited(strip: Strip, citation: Citation) -> Mark | None:
    return _mark(strip, str(citation.document_id), citation.page, citation.first_line, citation.document_path, citation)


def _located(strip: Strip, place: Mapping[str, Any]) -> Mark | None:
    return _mark(strip, place["document"], place["page"], place["first_line"], place["path"], place)


def _mark(strip: Strip, document: str, page: int | None, line: int | None, path: str, place: Citation | Mapping[str, Any]) -> Mark | None:
    at = strip.at(document, page, line)
    return None if at is None else Mark(at, f"{path}, {spot({'page': page, 'first_line': line})}", place)


def opened_document(*, user: User, citations: list[Citation]) -> tuple[Document, Citation] | None:
    """The first citation whose document is still there, for the pane beside the answer."""
    for citation in citations:
        if citation.document is not None and may(user, Right.READ, citation.document.collection):
            return citation.document, citation
    return None


def suggested_questions(*, collection: Collection) -> list[str]:
    """What to ask of a collection in which nothing was asked yet; of the sample collection, which holds all samples, what fits those."""
    if collection.questions.exists():
        return []
    samples = _sample_questions()
    names = {name.removesuffix(".zip") for name in collection.documents.filter(archive=None).values_list("name", flat=True)}
    if samples and names >= samples.keys():
        return [question for questions in samples.values() for question in questions[:SUGGESTED_A_DOCUMENT]]
    return suggested(_outlines(collection))


def _outlines(collection: Collection) -> Iterator[tuple[str, str, Sequence[Heading]]]:
    """Kind, path and headings of the collection's largest documents: the ones that people came for."""
    askable = collection.documents.filter(state__in=ASKABLE, is_archive=False)
    for document in askable.order_by("-token_count", "path")[:SUGGESTED_DOCUMENTS]:
        file = document.folder.parsed.text
        if file.exists() and file.stat().st_size <= SUGGESTED_BYTES:
            yield document.kind, document.path, headings_of(document.kind, file, file.stat().st_mtime_ns)


@cache
def _sample_questions() -> dict[str, list[str]]:
    """Questions by sample; the samples' folder `code` is uploaded as code.zip."""
    file = settings.BASE_DIR / "samples" / "questions.json"
    if not file.exists():
        return {}
    samples = json.loads(file.read_text(encoding="utf-8"))
    return {name: [row["question"] for row in rows] for name, rows in samples.items()}
