"""/healthz says which part is down and what that breaks; the checks of the settings find what is wrong before people do."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.checks import run_checks
from django.db import OperationalError, connection
from django.http import HttpRequest, JsonResponse
from django.test import AsyncRequestFactory
from pytest_django import Settings

from tests.engine.scout import write_scout
from tests.remote_server import scripted, status
from webapp.core import health
from webapp.core.model_server import ServerWatch

# The checks ask the database too.
pytestmark = pytest.mark.django_db

DEAD = "redis://:hunter2@127.0.0.1:1/0"


def test_it_is_well_when_every_part_answers() -> None:
    response = _healthz()
    assert response.status_code == 200
    assert json.loads(response.content) == {"ok": True, "parts": {name: {"ok": True} for name in ("database", "broker", "disk")}}
    assert response["Cache-Control"] == "no-store"


def test_it_names_what_breaks_without_the_broker_and_tells_no_secret(settings: Settings) -> None:
    settings.REDIS_URL = DEAD
    response = _healthz()
    parts = json.loads(response.content)["parts"]
    assert response.status_code == 503
    assert parts["database"] == {"ok": True}
    assert parts["broker"]["ok"] is False
    assert "questions wait" in parts["broker"]["breaks"]
    assert "hunter2" not in response.content.decode()
    assert "127.0.0.1" not in response.content.decode()


def test_it_names_what_breaks_without_the_database() -> None:
    with _broken_database():
        response = _healthz()
    assert (response.status_code, json.loads(response.content)["parts"]["database"]["ok"]) == (503, False)


def test_it_says_when_the_disk_is_nearly_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LEAST_FREE_BYTES", 10**18)
    response = _healthz()
    assert (response.status_code, json.loads(response.content)["parts"]["disk"]["ok"]) == (503, False)


def test_it_waits_only_so_long_for_a_part_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(health, "PARTS", (health.Part("broker", hang, "It hangs."),))
    assert json.loads(_healthz().content)["parts"] == {"broker": {"ok": False, "breaks": "It hangs."}}


def test_it_says_whether_the_model_server_answers_and_asks_it_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(status(500)) as server:
        _watch(monkeypatch, f"{server.url}")
        assert json.loads(_healthz().content)["parts"]["model server"] == {"ok": True}
        assert json.loads(_healthz().content)["ok"]
        assert len(server.requests) == 1
    assert _healthz().status_code == 200
    _watch(monkeypatch, server.url)
    response = _healthz()
    part = json.loads(response.content)["parts"]["model server"]
    assert (response.status_code, part["ok"]) == (503, False)
    assert "Questions fail" in part["breaks"]
    assert "127.0.0.1" not in response.content.decode()


def _watch(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A process that has just started with this setting."""
    monkeypatch.setenv("LONGREAD_ENGINE_URL", url)
    monkeypatch.setattr(health, "MODEL_SERVER", replace(health.MODEL_SERVER, probe=ServerWatch().look))


def test_it_does_not_wait_long_for_a_silent_model_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(status(500)) as server:
        server.models = lambda handler: time.sleep(4)
        _watch(monkeypatch, server.url)
        before = time.perf_counter()
        assert _healthz().status_code == 503
        assert time.perf_counter() - before < 3.5


def test_it_finds_wrong_settings_of_the_model_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGREAD_ENGINE_URL", "http://user:hunter2@host/v1")
    assert _ids(deploy=True) >= {"longread.E006"}
    assert "longread.W007" not in _ids(deploy=True)
    assert not any("hunter2" in str(message) for message in run_checks())


def test_it_warns_of_a_silent_model_server_only_before_a_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGREAD_ENGINE_URL", "http://127.0.0.1:1/v1")
    assert not _ids()
    assert "longread.W007" in _ids(deploy=True)


def test_it_finds_nothing_wrong_with_the_settings_of_a_fresh_checkout() -> None:
    assert not _ids()


@pytest.mark.parametrize(
    ("changes", "id"),
    [
        ({"LONGREAD_HOME": Path("/nowhere/at/all")}, "longread.E001"),
        ({"LONGREAD_MODEL": "/nowhere/model.gguf"}, "longread.E003"),
        ({"DEBUG": True, "ALLOWED_HOSTS": ["localhost", "longread.example.org"]}, "longread.E004"),
        ({"SECRET_KEY": "short"}, "longread.E005"),
    ],
)
def test_it_finds_a_wrong_setting_and_says_what_to_do(settings: Settings, changes: dict[str, Any], id: str) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    assert _ids() == {id}
    assert all(message.hint for message in run_checks() if message.id == id)


def test_it_takes_a_model_folder_of_either_kind(settings: Settings, tmp_path: Path) -> None:
    write_scout(tmp_path)
    settings.LONGREAD_MODEL = str(tmp_path)
    assert not _ids()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    assert _ids() == {"longread.E003"}
    settings.LONGREAD_MODEL = str(tmp_path / "config.json")
    assert _ids() == {"longread.E003"}


def test_it_warns_of_a_silent_broker_only_before_a_deployment(settings: Settings) -> None:
    settings.REDIS_URL = DEAD
    assert "longread.W002" not in _ids()
    assert "longread.W002" in _ids(deploy=True)


def _ids(deploy: bool = False) -> set[str]:
    found = {message.id or "" for message in run_checks(include_deployment_checks=deploy)}
    return {id for id in found if id.startswith("longread.")}


def _healthz() -> JsonResponse:
    request: HttpRequest = AsyncRequestFactory().get("/healthz")
    return async_to_sync(health.healthz)(request)


@contextmanager
def _broken_database() -> Iterator[None]:
    def refuse(*_: object) -> None:
        raise OperationalError("password hunter2 refused")

    with connection.execute_wrapper(refuse):
        yield
