"""Checklists, and their sweeps over every document of a collection. A row holds all that a table or an export needs.

A sweep's documents are written down when it begins, with what became of each: none is left out silently, and the table outlives them.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext, gettext_lazy

from webapp.core.models import Row


class Checklist(Row):
    """Questions for every document of a collection, in order: a list of texts. They are not changed; other questions are another one."""

    collection = models.ForeignKey("library.Collection", on_delete=models.CASCADE, related_name="checklists")
    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="checklists")
    questions = models.JSONField(default=list)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return " · ".join(self.questions)[:255]


class SweepState(models.TextChoices):
    """waiting -> running -> done | stopped | failed; from each of these back to waiting, for what is missing."""

    WAITING = "waiting", gettext_lazy("waiting for the engine")
    RUNNING = "running", gettext_lazy("asking")
    DONE = "done", gettext_lazy("done")
    STOPPED = "stopped", gettext_lazy("stopped")
    FAILED = "failed", gettext_lazy("failed")


SWEEP_ENDED = (SweepState.DONE, SweepState.STOPPED, SweepState.FAILED)


class Sweep(Row):
    """A checklist's questions put to every document. `job` is the newest of its jobs; `model` and `mode` are those of the last answer."""

    checklist = models.ForeignKey(Checklist, on_delete=models.CASCADE, related_name="sweeps")
    job = models.OneToOneField("jobs.Job", on_delete=models.SET_NULL, null=True, related_name="sweep")
    state = models.CharField(max_length=8, choices=SweepState.choices, default=SweepState.WAITING)
    model = models.CharField(max_length=120, blank=True)
    mode = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return str(self.checklist)

    @property
    def has_ended(self) -> bool:
        return self.state in SWEEP_ENDED


class SweptDocument(Row):
    """A document as the sweep found it. `left_out` says why it is not asked; '' where it is. `number` orders them as in the prompt."""

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="documents")
    document = models.ForeignKey("library.Document", on_delete=models.SET_NULL, null=True, related_name="swept")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    path = models.CharField(max_length=1000)
    sha256 = models.CharField(max_length=64)
    token_count = models.PositiveBigIntegerField(default=0)
    left_out = models.TextField(blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["sweep", "number"], name="one_swept_document_a_number")]

    def __str__(self) -> str:
        return self.path


class Cell(Row):
    """The answer to one question over one document alone; there is none until it has been given.

    `question` is its number in the checklist, from 0. `citations` is a list of {number, page, first_line, last_line, quote, start_char,
    end_char, verified, reading}; `nearest` the best located place of an answer that was not found: {page, first_line, last_line,
    start_char, end_char, reading, text}, or nothing. `error` says why there is no answer.
    """

    document = models.ForeignKey(SweptDocument, on_delete=models.CASCADE, related_name="cells")
    question = models.PositiveSmallIntegerField()
    answer = models.TextField(blank=True)
    found = models.BooleanField(default=False)
    confidence = models.FloatField(default=0.0)
    citations = models.JSONField(default=list)
    nearest = models.JSONField(default=dict)
    read_tokens = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["document__number", "question"]
        constraints = [models.UniqueConstraint(fields=["document", "question"], name="one_cell_a_question")]
        indexes = [models.Index(fields=["document", "created_at"])]

    def __str__(self) -> str:
        return self.error or self.answer or gettext("not found")


class Judgement(models.TextChoices):
    """What a person says of an answer."""

    NONE = "", gettext_lazy("not judged")
    CONFIRMED = "confirmed", gettext_lazy("confirmed")
    WRONG = "wrong", gettext_lazy("wrong")


class Verdict(Row):
    """What a person said of a cell, and noted beside it. There is none of a cell that nobody has judged. `updated_at` is when."""

    cell = models.OneToOneField(Cell, on_delete=models.CASCADE, related_name="verdict")
    judgement = models.CharField(max_length=9, choices=Judgement.choices, default=Judgement.NONE, blank=True)
    note = models.TextField(blank=True)
    person = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="verdicts")

    class Meta:
        ordering = ["-updated_at"]

    def __str__(self) -> str:
        return " · ".join(part for part in (self.get_judgement_display() if self.judgement else "", self.note) if part)
