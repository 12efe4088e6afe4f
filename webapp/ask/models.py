"""Questions, answers and the quotes that support them. A row holds all that an export or a replay needs."""

from __future__ import annotations

from django.db import models

from webapp.core.models import Row


class Question(Row):
    """What somebody asked of a whole collection."""

    collection = models.ForeignKey("library.Collection", on_delete=models.CASCADE, related_name="questions")
    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="questions")
    text = models.CharField(max_length=2000)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.text


class AnswerState(models.TextChoices):
    """waiting -> streaming -> done | stopped | failed."""

    WAITING = "waiting", "waiting for the engine"
    STREAMING = "streaming", "answering"
    DONE = "done", "done"
    STOPPED = "stopped", "stopped"
    FAILED = "failed", "failed"


class Answer(Row):
    """`located` is a list of {document, name, path, page, first_line, last_line, start_char, end_char, score, lexical, attention,
    likelihood, text}.

    `usage` and `timings` are the engine's own (engine.events.Usage, Timings); `prompt_hash` names what was asked: the same
    documents in the same order give the same hash.
    """

    question = models.OneToOneField(Question, on_delete=models.CASCADE, related_name="answer")
    job = models.OneToOneField("jobs.Job", on_delete=models.SET_NULL, null=True, related_name="answer")
    state = models.CharField(max_length=10, choices=AnswerState.choices, default=AnswerState.WAITING)
    text = models.TextField(blank=True)
    found = models.BooleanField(default=False)
    confidence = models.FloatField(default=0.0)
    model = models.CharField(max_length=120, blank=True)
    mode = models.CharField(max_length=40, blank=True)
    prompt_hash = models.CharField(max_length=64, blank=True)
    located = models.JSONField(default=list)
    usage = models.JSONField(default=dict)
    timings = models.JSONField(default=dict)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.text or self.get_state_display()

    @property
    def has_ended(self) -> bool:
        return self.state in (AnswerState.DONE, AnswerState.STOPPED, AnswerState.FAILED)


class Citation(Row):
    """A verbatim passage that supports an answer. Outlives its document as text; then it can no longer be opened.

    `page` for paged files, `first_line` and `last_line` for code and text; `start_char`, `end_char` in the document's text.
    """

    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="citations")
    number = models.PositiveSmallIntegerField()
    document = models.ForeignKey("library.Document", on_delete=models.SET_NULL, null=True, related_name="citations")
    document_name = models.CharField(max_length=255)
    document_path = models.CharField(max_length=1000)
    page = models.PositiveIntegerField(null=True)
    first_line = models.PositiveIntegerField(null=True)
    last_line = models.PositiveIntegerField(null=True)
    quote = models.TextField()
    start_char = models.PositiveBigIntegerField()
    end_char = models.PositiveBigIntegerField()
    verified = models.BooleanField(default=False)

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return self.quote
