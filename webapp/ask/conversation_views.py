"""The page on which a conversation is renamed or deleted, by whoever began it or may change its collection."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.requests import UserRequest
from webapp.ask.models import Conversation
from webapp.ask.selectors import conversation_detail, conversation_questions, require_begun
from webapp.ask.services import MOST_TITLE_CHARACTERS, TitleRefused, conversation_delete, conversation_rename
from webapp.core.rendering import render_page


@login_required
@require_GET
def conversation(request: UserRequest, conversation_id: UUID) -> HttpResponse:
    row = _begun(request, conversation_id)
    context = {
        "conversation": row,
        "collection": row.collection,
        "questions": conversation_questions(conversation=row),
        "most_characters": MOST_TITLE_CHARACTERS,
    }
    return render_page(request, "ask/conversation.html", context)


@login_required
@require_POST
def rename(request: UserRequest, conversation_id: UUID) -> HttpResponse:
    row = _begun(request, conversation_id)
    try:
        conversation_rename(conversation=row, title=request.POST.get("title", ""))
    except TitleRefused as error:
        messages.error(request, str(error))
        return redirect("ask-conversation", row.id)
    return redirect("library-collection", row.collection_id)


@login_required
@require_POST
def delete(request: UserRequest, conversation_id: UUID) -> HttpResponse:
    row = _begun(request, conversation_id)
    conversation_delete(conversation=row)
    messages.success(request, gettext("The conversation is deleted."))
    return redirect("library-collection", row.collection_id)


def _begun(request: UserRequest, conversation_id: UUID) -> Conversation:
    row = conversation_detail(user=request.user, conversation_id=conversation_id)
    require_begun(user=request.user, conversation=row)
    return row
