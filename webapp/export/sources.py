"""What an export is of: from its row back to what is taken home."""

from __future__ import annotations

from django.utils.translation import gettext

from webapp.ask.models import Conversation, Question
from webapp.checklist.models import Sweep
from webapp.export.answers import taken_conversation, taken_question
from webapp.export.blocks import ExportRefused
from webapp.export.forms import Taken
from webapp.export.models import Export, Source
from webapp.export.sweeps import taken_sweep


def taken_of(export: Export) -> Taken:
    """Raises ExportRefused where it is gone."""
    found = _found(export)
    if found is None:
        raise ExportRefused(gettext("What was to be saved has been deleted."))
    return found


def _found(export: Export) -> Taken | None:
    if export.source == Source.SWEEP:
        sweep = Sweep.objects.select_related("checklist__collection").filter(id=export.source_id).first()
        return taken_sweep(sweep) if sweep else None
    if export.source == Source.QUESTION:
        question = Question.objects.select_related("answer", "collection").filter(id=export.source_id).first()
        return taken_question(question) if question else None
    conversation = Conversation.objects.filter(id=export.source_id, questions__isnull=False).first()
    return taken_conversation(conversation) if conversation else None
