"""A wrong setting ends whatever starts with one sentence and status 1. Real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MANAGE = ("manage.py", "check")


def started(home: Path, command: tuple[str, ...], **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in {"DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL"}}
    environment = inherited | {"LONGREAD_HOME": str(home), "PYTHONPATH": str(ROOT)} | settings
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LONGREAD_LIMIT_PAGES", "abc", "whole number of at least 1"),
        ("LONGREAD_PAGE_IMAGES", "some", "needed, all, none"),
        ("LONGREAD_GIT_BYTES", "-1", "whole number of at least 1"),
        ("DEBUG", "maybe", "True or False"),
        ("DATABASE_URL", "secret://secret@host/x", "looks like postgresql://"),
        ("REDIS_URL", "secret@host", "looks like redis://"),
        ("TIME_ZONE", "Mars/Olympus", "Europe/Berlin"),
        ("SECRET_KEY_FILE", "/nonexistent/key", "cannot be read"),
        ("LONGREAD_HOME", "/proc/longread", "cannot be made"),
    ],
)
def test_it_names_the_setting_and_what_it_may_be(tmp_path: Path, name: str, value: str, said: str) -> None:
    done = started(tmp_path, MANAGE, **{name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(name)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "secret@" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "webapp.serve"),
        ("-m", "celery", "-A", "webapp.celery", "worker", "-Q", "ingest"),
        ("-m", "uvicorn", "webapp.asgi:application", "--port", "1"),
        ("-m", "ingest", "ask", "README.md", "-q", "What?"),
    ],
    ids=lambda command: command[1],
)
def test_every_process_ends_with_that_sentence(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = started(tmp_path, command, LONGREAD_LIMIT_PAGES="abc")
    assert done.returncode == 1
    assert "LONGREAD_LIMIT_PAGES is 'abc'; it must be a whole number" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_setting_says_nothing(tmp_path: Path) -> None:
    empty = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "TIME_ZONE", "DEBUG", "EMAIL_PORT", "ALLOWED_HOSTS", "LONGREAD_LIMIT_PAGES"), "")
    done = started(tmp_path, MANAGE, **empty)
    assert done.returncode == 0, done.stderr
