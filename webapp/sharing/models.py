"""Links that show one answer to whoever has them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from webapp.core.models import Row


class AnswerLink(Row):
    """Read-only and expiring. Only the hash of its token is kept; `prefix` lets its maker tell one from another. Deleting it revokes it."""

    answer = models.ForeignKey("ask.Answer", on_delete=models.CASCADE, related_name="links")
    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="answer_links")
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.prefix}… to {self.answer}"

    @property
    def has_expired(self) -> bool:
        return self.expires_at <= timezone.now()
