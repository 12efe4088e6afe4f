"""Files that take longer to make than a page may: a worker makes them, and only who asked for one gets it, for a day."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone

from webapp.core.models import Row
from webapp.jobs.models import JobState

KEPT = timedelta(days=1)
FOLDER = "exports"


class Source(models.TextChoices):
    """What is taken home; `Export.source_id` is its row's id."""

    QUESTION = "question", "question"
    CONVERSATION = "conversation", "conversation"
    SWEEP = "sweep", "sweep"


class Export(Row):
    """`collection` is that of its source: who may see it no more gets no file of it. `language` is that of the page where it was asked for.
    `size_bytes` and `expires_at` are set when the file is there."""

    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="exports")
    collection = models.ForeignKey("library.Collection", on_delete=models.CASCADE, related_name="exports")
    job = models.OneToOneField("jobs.Job", on_delete=models.CASCADE, related_name="export")
    source = models.CharField(max_length=12, choices=Source.choices)
    source_id = models.UUIDField()
    form = models.CharField(max_length=4)
    pages = models.BooleanField(default=False)
    language = models.CharField(max_length=12, default="en")
    title = models.CharField(max_length=255)
    file_name = models.CharField(max_length=80)
    size_bytes = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.file_name

    @property
    def file(self) -> Path:
        return Path(settings.LONGREAD_HOME) / FOLDER / str(self.id)

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_ready(self) -> bool:
        return self.job.state == JobState.DONE and self.expires_at is not None and not self.has_expired
