"""Questions, answers and citations for staff to look at."""

from __future__ import annotations

from django.contrib import admin

from webapp.ask.models import Answer, Citation, Conversation, Question
from webapp.core.admin import ReadOnlyAdmin


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "collection", "owner", "created_at")
    list_select_related = ("collection", "owner")
    search_fields = ("questions__text", "owner__username", "collection__name")
    date_hierarchy = "created_at"


@admin.register(Question)
class QuestionAdmin(ReadOnlyAdmin):
    list_display = ("text", "collection", "owner", "created_at")
    list_select_related = ("collection", "owner")
    search_fields = ("text", "owner__username", "collection__name")
    date_hierarchy = "created_at"


@admin.register(Answer)
class AnswerAdmin(ReadOnlyAdmin):
    list_display = ("question", "state", "found", "confidence", "model", "mode", "created_at")
    list_filter = ("state", "found", "model", "mode")
    list_select_related = ("question",)
    search_fields = ("question__text", "text", "error", "prompt_hash")
    date_hierarchy = "created_at"


@admin.register(Citation)
class CitationAdmin(ReadOnlyAdmin):
    list_display = ("quote", "document_name", "page", "first_line", "verified", "answer")
    list_filter = ("verified",)
    list_select_related = ("answer",)
    search_fields = ("quote", "document_name", "document_path")
