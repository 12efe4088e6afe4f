"""What the API takes and gives of questions, conversations, and links to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Field, Query, Schema

from webapp.api.schemas.fields import NO_NUL, SOME_ID
from webapp.ask.models import Conversation, Question

# How many seconds a request may wait for the end of an answer.
Wait = Annotated[int, Query(ge=0, le=60)]


class QuestionIn(Schema):
    """`follows`: a question of the same collection that this one leads on from. `only`: the documents, or archives with all their files,
    that are asked; all where it is empty. `left_out`: those that are not."""

    question: str = Field(..., pattern=NO_NUL, examples=["How much notice is needed to terminate?"])
    follows: UUID | None = Field(None, examples=[None])
    only: list[UUID] = Field([], examples=[[SOME_ID]])
    left_out: list[UUID] = Field([], examples=[[]])


class AskedOut(Schema):
    """The ids to follow the answer with."""

    id: UUID
    job: UUID | None
    state: str

    @staticmethod
    def of(question: Question) -> AskedOut:
        return AskedOut(id=question.id, job=question.answer.job_id, state=question.answer.state)


class QuestionOut(Schema):
    """A question in a list; the whole answer with its citations is at /questions/ID."""

    id: UUID
    collection: UUID = Field(..., alias="collection_id")
    question: str = Field(..., alias="text")
    state: str = Field(..., alias="answer.state")
    found: bool = Field(..., alias="answer.found")
    answer: str = Field(..., alias="answer.text")
    asked_at: datetime = Field(..., alias="created_at")


class AnswerRecord(Schema):
    """The object that `./run ask --json` prints."""

    answer: str
    found: bool
    confidence: float
    citations: list[dict[str, Any]]
    located: list[dict[str, Any]]
    model: str
    mode: str
    usage: dict[str, Any]
    timings: dict[str, float]


class LeftOut(Schema):
    document: UUID
    path: str


class QuestionRecord(Schema):
    """`asked_as`: what the engine was asked in the end, where a follow-up borrowed words of the question that it `follows`, or
    the documents that it named."""

    id: UUID
    collection: UUID
    conversation: UUID | None
    follows: UUID | None
    question: str
    asked_as: str
    left_out: list[LeftOut]
    asked_at: datetime
    state: str
    error: str
    prompt_hash: str
    answer: AnswerRecord


class ConversationOut(Schema):
    """`title` is '' where nobody gave it one; then `words`, its first question, stand for it."""

    id: UUID
    collection: UUID = Field(..., alias="collection_id")
    title: str
    words: str
    questions: list[UUID]
    created_at: datetime

    @staticmethod
    def resolve_words(conversation: Conversation) -> str:
        return next((question.text for question in conversation.questions.all()), "")

    @staticmethod
    def resolve_questions(conversation: Conversation) -> list[UUID]:
        """From prefetched ones, in the order in which they were asked."""
        return [question.id for question in conversation.questions.all()]


class ConversationRecord(Schema):
    id: UUID
    collection: UUID
    title: str
    words: str
    created_at: datetime
    turns: list[QuestionRecord]


class ConversationPatch(Schema):
    title: str = Field(..., pattern=NO_NUL, max_length=200, examples=["Notice periods"])


class LinkIn(Schema):
    """After how many days it expires."""

    days: Literal[1, 7, 30] = Field(7, examples=[7])


class LinkOut(Schema):
    """`prefix` begins its address, to tell one from another; `opened_at` is when it was last opened."""

    id: UUID
    prefix: str
    created_at: datetime
    expires_at: datetime
    opened_at: datetime | None


class LinkMade(LinkOut):
    url: str
