"""/conversations: questions that lead on from each other, with their answers.

Whoever began one, and whoever may change its collection, may rename and delete it.
"""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from ninja import Router, Status
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.exports import FILE, made
from webapp.api.paging import Pages
from webapp.api.schemas.jobs import ExportOut
from webapp.api.schemas.questions import ConversationOut, ConversationPatch, ConversationRecord
from webapp.ask.models import Conversation
from webapp.ask.records import question_record
from webapp.ask.selectors import conversation_detail, conversation_questions, conversations_of, require_begun
from webapp.ask.services import conversation_delete, conversation_rename
from webapp.export.answers import taken_conversation
from webapp.export.forms import FormName
from webapp.export.models import Source
from webapp.export.services import Wanted

router = Router(tags=["conversations"])


@router.get("", response=list[ConversationOut])
@paginate(Pages)
def conversations(request: ApiRequest) -> QuerySet[Conversation]:
    return conversations_of(user=request.auth)


@router.get("/{conversation_id}", response=ConversationRecord)
def detail(request: ApiRequest, conversation_id: UUID) -> dict[str, Any]:
    """With every question and its answer, in the order in which they were asked."""
    conversation = conversation_detail(user=request.auth, conversation_id=conversation_id)
    questions = [question_record(question) for question in conversation_questions(conversation=conversation)]
    return ConversationOut.from_orm(conversation).dict() | {"turns": questions}


@router.get("/{conversation_id}/export.{form}", response={202: ExportOut}, openapi_extra=FILE)
def export(request: ApiRequest, conversation_id: UUID, form: FormName, pages: bool = False) -> Any:
    """All of it as a file, as of one question; what takes long is made by a worker (202)."""
    conversation = conversation_detail(user=request.auth, conversation_id=conversation_id)
    if not conversation.questions.exists():
        raise Http404
    wanted = Wanted(Source.CONVERSATION, conversation.id, conversation.collection, taken_conversation(conversation))
    return made(request, wanted, form, pages)


@router.patch("/{conversation_id}", response=ConversationOut)
def rename(request: ApiRequest, conversation_id: UUID, body: ConversationPatch) -> Conversation:
    """An empty title gives it back the words of its first question."""
    conversation = conversation_detail(user=request.auth, conversation_id=conversation_id)
    require_begun(user=request.auth, conversation=conversation)
    conversation_rename(conversation=conversation, title=body.title)
    return conversation_detail(user=request.auth, conversation_id=conversation_id)


@router.delete("/{conversation_id}", response={204: None})
def delete(request: ApiRequest, conversation_id: UUID) -> Status[None]:
    """With its questions, answers and their links. What is still being answered is stopped."""
    conversation = conversation_detail(user=request.auth, conversation_id=conversation_id)
    require_begun(user=request.auth, conversation=conversation)
    conversation_delete(conversation=conversation)
    return Status(204, None)
