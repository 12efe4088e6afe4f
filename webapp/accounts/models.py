"""Who uses Longread, and the tokens with which their programs do."""

from __future__ import annotations

import hashlib
import secrets

from django.contrib.auth.models import AbstractUser
from django.db import models

from webapp.core.models import Row


def random_salt() -> str:
    return secrets.token_hex(16)


class User(AbstractUser):
    """`salt` goes into the key of everything that the engine stores for this user: two users never share stored state."""

    salt = models.CharField(max_length=32, default=random_salt, editable=False)


class ApiToken(Row):
    """A program's key. Only its hash is kept; `prefix` lets the owner tell one from another."""

    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


def token_digest(token: str) -> str:
    """SHA-256 of a token: the tokens are long and random, so a slow hash would add nothing."""
    return hashlib.sha256(token.encode()).hexdigest()
