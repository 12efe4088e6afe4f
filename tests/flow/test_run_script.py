"""The shell script `run`: from any folder, at a path with spaces, with clear words for what it does not know."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.processes import ROOT

COMMANDS = ("./run [--port N]", "./run test", "./run ask", "./run evaluate", "./run bench", "./run manage")


def run(*arguments: str, script: Path = ROOT / "run", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run([str(script), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def test_it_lists_its_commands() -> None:
    said = run("help").stdout
    assert all(command in said for command in COMMANDS)


def test_it_refuses_a_command_that_it_does_not_have() -> None:
    done = run("serve")
    assert done.returncode == 2
    assert "no './run serve'" in done.stderr
    assert "./run ask" in done.stderr


def test_it_is_plain_posix_shell() -> None:
    done = subprocess.run(["sh", "-n", str(ROOT / "run")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (ROOT / "run").read_text().startswith("#!/bin/sh\n")


@pytest.mark.slow
def test_it_works_from_any_folder_and_at_a_path_with_spaces(tmp_path: Path) -> None:
    checkout = tmp_path / "my own checkout"
    checkout.mkdir()
    for name in ("run", "manage.py", "requirements.txt", "requirements-dev.txt"):
        (checkout / name).write_bytes((ROOT / name).read_bytes())
    (checkout / "run").chmod(0o755)
    for name in (".venv", "engine", "ingest", "webapp", "static", "templates", "samples", "var"):
        if (ROOT / name).exists():
            (checkout / name).symlink_to(ROOT / name)
    done = run("manage", "check", script=checkout / "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
