"""What the API remembers between requests: files that come in parts, and answers to requests that may come twice."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models

from webapp.core.models import Row


class PartialUpload(Row):
    """A file that comes in parts. Its length on disk says how far it is; `finish` makes a document of it."""

    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="uploads")
    collection = models.ForeignKey("library.Collection", on_delete=models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=255)
    size_bytes = models.PositiveBigIntegerField()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def file(self) -> Path:
        return Path(settings.LONGREAD_HOME) / "uploads" / str(self.id)

    @property
    def offset(self) -> int:
        """Bytes that are there."""
        try:
            return self.file.stat().st_size
        except FileNotFoundError:
            return 0


class Reply(Row):
    """The answer to a request that carried an idempotency key; `status` is 0 while it is being answered. `digest` is of the request."""

    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="replies")
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="one_reply_a_key")]

    def __str__(self) -> str:
        return f"{self.key}: {self.status}"
