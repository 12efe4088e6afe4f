"""Who uses Longread, how they came in, where they are signed in, and the tokens with which their programs use it."""

from __future__ import annotations

import hashlib
import secrets

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy

from webapp.core.models import Row


def random_salt() -> str:
    return secrets.token_hex(16)


class User(AbstractUser):
    """`salt` goes into the key of everything that the engine stores for this user: two users never share stored state."""

    salt = models.CharField(max_length=32, default=random_salt, editable=False)


class Invitation(Row):
    """A link with which one person makes an account, once. Only its hash is kept."""

    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="invitations")
    note = models.CharField(max_length=80, blank=True)
    is_operator = models.BooleanField(default=False)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="came_with")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.note} ({self.prefix}…)"


class SignIn(Row):
    """A browser in which somebody is signed in, for as long as its session lasts."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="sign_ins")
    session_key = models.CharField(max_length=40, unique=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    browser = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.user} from {self.address}"


class Scope(models.TextChoices):
    """What a token may do: see, or see and change."""

    READ = "read", gettext_lazy("read only")
    WRITE = "write", gettext_lazy("read and write")


class ApiToken(Row):
    """A program's key. Only its hash is kept; `prefix` lets the owner tell one from another. Without `expires_at` it works until it is
    deleted."""

    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=8, choices=Scope.choices, default=Scope.WRITE)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


def token_digest(token: str) -> str:
    """SHA-256 of a token: the tokens are long and random, so a slow hash would add nothing."""
    return hashlib.sha256(token.encode()).hexdigest()
