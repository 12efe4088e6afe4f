"""`./run` itself: what it starts, what it says when a part dies, and that it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import ROOT, Longread, wait_for

pytestmark = pytest.mark.slow


def children(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and parent(int(entry.name)) == pid]


def parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_ends_everything_when_a_part_dies_and_says_which(tmp_path: Path) -> None:
    longread = Longread(tmp_path / "home")
    longread.start()
    assert longread.process
    parts = children(longread.process.pid)
    (engine,) = [pid for pid in parts if "-Q engine" in command_line(pid)]
    os.kill(engine, signal.SIGKILL)
    said = longread.process.communicate(timeout=30)[0]
    assert "The engine worker was killed by SIGKILL" in said
    assert longread.process.returncode == 1
    assert not any(is_alive(pid) for pid in parts)


def test_it_ends_everything_on_ctrl_c_and_starts_again_within_seconds(tmp_path: Path) -> None:
    longread = Longread(tmp_path / "home")
    longread.start()
    assert longread.process
    parts = children(longread.process.pid)
    assert len(parts) == 4
    longread.stop()
    assert longread.process.returncode == 0
    wait_for(lambda: not any(is_alive(pid) for pid in parts), 5, "the end of every part")
    started = time.monotonic()
    again = Longread(tmp_path / "home")
    again.start()
    again.stop()
    assert time.monotonic() - started < 40


def test_it_says_what_to_do_when_the_port_is_taken(tmp_path: Path) -> None:
    longread = Longread(tmp_path / "home")
    longread.start()
    try:
        command = [sys.executable, "-m", "webapp.serve", "--port", str(longread.port)]
        second = subprocess.run(command, cwd=ROOT, env=longread.environment, capture_output=True, text=True, timeout=60)
        assert second.returncode == 1
        assert f"./run --port {longread.port + 1}" in second.stderr
    finally:
        longread.stop()


def test_it_keeps_the_broker_s_password_off_every_command_line(tmp_path: Path) -> None:
    longread = Longread(tmp_path / "home")
    longread.start()
    try:
        assert longread.process
        lines = [command_line(pid) for pid in children(longread.process.pid)]
        assert not any("requirepass" in line or "redis://" in line for line in lines)
    finally:
        longread.stop()
