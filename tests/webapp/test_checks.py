"""The checks of what runs beside the web server: each says what breaks while a part is down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import OperationalError, connection
from django.utils import timezone

from webapp.jobs import checks
from webapp.jobs.models import Worker

pytestmark = pytest.mark.django_db


def said(number: str) -> list[CheckMessage]:
    return [message for message in run_checks(include_deployment_checks=True) if message.id == f"longread.{number}"]


def test_it_says_what_breaks_without_a_worker() -> None:
    now = timezone.now()
    Worker.objects.create(name="engine@here", queue="engine", pid=1, started_at=now, seen_at=now)
    Worker.objects.create(name="ingest@here", queue="ingest", pid=2, started_at=now, seen_at=now - timedelta(minutes=2))
    (message,) = said("W008")
    assert message.msg == "No worker of the queue “ingest” lives. Uploads wait unread."
    assert "-Q ingest" in str(message.hint)
    Worker.objects.update(seen_at=now)
    assert said("W008") == []


def test_it_says_what_breaks_when_little_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said("W009") == []
    monkeypatch.setattr(checks, "LOW_BYTES", 10**18)
    (message,) = said("W009")
    assert "uploads may be refused" in message.msg


def test_it_says_what_breaks_without_the_tables_of_this_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said("W010") == []
    monkeypatch.setattr(checks.MigrationExecutor, "migration_plan", lambda *_: ["one", "two"])
    (message,) = said("W010")
    assert "lacks 2 changes" in message.msg


def test_it_says_what_breaks_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", broken)
    (message,) = said("W010")
    assert "no page can be shown and nothing is saved: connection refused" in message.msg
    assert said("W008") == []
