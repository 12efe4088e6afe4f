"""Questions, answers and the quotes that support them. A row holds all that an export or a replay needs."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext, gettext_lazy

from ingest.model import Reading
from webapp.ask.following import led_by
from webapp.core.models import Row


class Conversation(Row):
    """Questions to one collection that lead on from each other, in the order in which they were asked. `owner` began it; `title` is what
    somebody called it, '' where nobody did."""

    collection = models.ForeignKey("library.Collection", on_delete=models.CASCADE, related_name="conversations")
    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        if self.title:
            return self.title
        first = self.questions.order_by("created_at").first()
        return first.text if first else gettext("nothing asked")


class Question(Row):
    """What somebody asked of a collection, or of what is left of it without the documents `left_out` ({document, path} each).

    `follows` is the question that it leads on from and may borrow words of; `asked_as` is what the engine was asked in the end where that
    is not the text itself (webapp.ask.following). A question that is in no conversation stands alone.
    """

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, null=True, related_name="questions")
    collection = models.ForeignKey("library.Collection", on_delete=models.CASCADE, related_name="questions")
    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="questions")
    text = models.CharField(max_length=2000)
    follows = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="followed_by")
    asked_as = models.CharField(max_length=2000, blank=True)
    left_out = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.text

    @property
    def words(self) -> str:
        """What the engine was asked."""
        return self.asked_as or self.text

    @property
    def is_of_the_same(self) -> bool:
        """Whether it was put to the documents that the question before it named (webapp.ask.following)."""
        names = led_by(self.answer.usage.get("named", []))
        return bool(names) and self.asked_as.startswith(names)

    @property
    def in_other_words(self) -> str:
        """With words of the question before, where it was put so; without that one's documents."""
        words = self.asked_as.removeprefix(led_by(self.answer.usage.get("named", []))) if self.is_of_the_same else self.asked_as
        return words if words != self.text else ""


class AnswerState(models.TextChoices):
    """waiting -> streaming -> done | stopped | failed."""

    WAITING = "waiting", gettext_lazy("waiting for the engine")
    STREAMING = "streaming", gettext_lazy("answering")
    DONE = "done", gettext_lazy("done")
    STOPPED = "stopped", gettext_lazy("stopped")
    FAILED = "failed", gettext_lazy("failed")


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

    `page` for paged files, `first_line` and `last_line` for code and text; `start_char`, `end_char` in the document's text. `reading`:
    "file", or how OCR read the words (ingest.model.Reading).
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
    reading = models.CharField(max_length=10, default=Reading.FILE.value)

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return self.quote
