"""What a killed process leaves goes; what a living one works in stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.held import held_folder, sweep
from ingest.storage import DocumentFolder

CHECKOUT = Path(__file__).resolve().parents[2]
HOLDS = """
import sys
from pathlib import Path
from ingest.held import held_folder
with held_folder(Path(sys.argv[1]), "unpack-") as folder:
    (folder / "half.txt").write_text("half")
    print(folder.name, flush=True)
    sys.stdin.read()
"""
READS = """
import sys
from pathlib import Path
from ingest.storage import DocumentFolder
with DocumentFolder(Path(sys.argv[1]), "document").replacing() as parsed:
    parsed.text.write_text("half")
    print(parsed.folder.name, flush=True)
    sys.stdin.read()
"""


@contextmanager
def process(code: str, folder: Path) -> Iterator[Callable[[], None]]:
    """One that runs `code` until it is killed, which the block can do."""
    command = [sys.executable, "-c", code, str(folder)]
    started = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def kill() -> None:
        os.kill(started.pid, signal.SIGKILL)
        started.wait()

    with started:
        assert started.stdout is not None
        assert started.stdout.readline()
        yield kill
        if started.poll() is None:
            kill()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_living_process_keeps_its_folder_and_a_killed_one_s_is_swept(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    with process(HOLDS, tmp_path) as kill:
        sweep(tmp_path, "unpack-")
        assert len(names(tmp_path)) == 2
        kill()
        assert len(names(tmp_path)) == 2
    sweep(tmp_path, "unpack-")
    assert names(tmp_path) == ["documents"]


def test_the_next_one_sweeps_those_before_it(tmp_path: Path) -> None:
    (tmp_path / "unpack-left").mkdir()
    with held_folder(tmp_path, "unpack-") as first, held_folder(tmp_path, "unpack-") as second:
        assert names(tmp_path) == sorted([first.name, second.name])
    assert names(tmp_path) == []


def test_it_goes_when_the_work_breaks(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), held_folder(tmp_path, "unpack-") as folder:
        (folder / "absent" / "half.txt").write_text("half")
    assert names(tmp_path) == []


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "unpack-link").symlink_to(kept)
    (tmp_path / "unpack-file").touch()
    sweep(tmp_path, "unpack-")
    assert names(tmp_path) == ["kept", "unpack-file", "unpack-link"]


def test_a_parse_that_was_killed_leaves_nothing_after_the_next(tmp_path: Path) -> None:
    folder = DocumentFolder(tmp_path, "document")
    folder.folder.mkdir()
    with process(READS, tmp_path) as kill:
        kill()
    (folder.folder / "old.left").mkdir()
    assert len(names(folder.folder)) == 2
    with folder.replacing() as parsed:
        parsed.text.write_text("whole")
    assert names(folder.folder) == ["parsed"]
    assert folder.parsed.text.read_text() == "whole"
