"""Which task does which kind of job, in which queue, and what goes first. Names only: the tasks' own modules are above this one."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy

from webapp.jobs.models import JobKind


@dataclass(frozen=True, slots=True)
class Route:
    """`priority` 0 goes before 9 (the broker's steps: settings.CELERY_BROKER_TRANSPORT_OPTIONS)."""

    task: str
    queue: str
    priority: int


ROUTES = {
    JobKind.PARSE: Route("upload.parse_document", "ingest", 0),
    JobKind.PREFILL: Route("upload.prefill_document", "engine", 9),
    JobKind.ANSWER: Route("ask.answer_question", "engine", 0),
    JobKind.EXPORT: Route("export.write_file", "ingest", 0),
    JobKind.SWEEP: Route("checklist.ask_documents", "engine", 9),
}
QUEUES = ("ingest", "engine")
# What people notice while nobody takes a queue's messages.
BREAKS = {
    "ingest": gettext_lazy("Uploads wait unread."),
    "engine": gettext_lazy("Questions wait unanswered, and nothing is read ahead."),
}
