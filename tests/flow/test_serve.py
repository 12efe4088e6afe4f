"""`./run` itself: what it starts, what it says, and that it leaves nothing behind. What it says when a part dies: test_killed_sweep.py."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.processes import ROOT, Longread, children, command_line, is_alive, wait_for

pytestmark = pytest.mark.slow


def test_it_ends_everything_on_ctrl_c_and_starts_again_within_seconds(mortal: Longread) -> None:
    assert mortal.process
    parts = children(mortal.process.pid)
    assert len(parts) == 4
    mortal.stop()
    assert mortal.process.returncode == 0
    wait_for(lambda: not any(is_alive(pid) for pid in parts), 5, "the end of every part")
    started = time.monotonic()
    mortal.extra["LONGREAD_INGEST_PROCESSES"] = "2"
    mortal.start()
    assert time.monotonic() - started < 40
    wait_for(lambda: len(children(mortal.part("-Q ingest"))) == 2, 20, "two processes that parse")
    mortal.stop()
    del mortal.extra["LONGREAD_INGEST_PROCESSES"]


def test_it_says_what_to_do_when_the_port_is_taken(longread: Longread) -> None:
    command = [sys.executable, "-m", "webapp.serve", "--port", str(longread.port)]
    second = subprocess.run(command, cwd=ROOT, env=longread.environment, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f"./run --port {longread.port + 1}" in second.stderr


def test_it_keeps_the_broker_s_password_off_every_command_line(longread: Longread) -> None:
    assert longread.process
    lines = [command_line(pid) for pid in children(longread.process.pid)]
    assert not any("requirepass" in line or "redis://" in line for line in lines)
