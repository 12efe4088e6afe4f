"""`python -m engine store stats|compact FOLDER`: what it says, beside a process that has the store open, and where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.cache.compaction import compact
from engine.cache.folder import FILE
from engine.cache.keys import document_key
from engine.cache.ledger import KeptFor
from engine.cache.stats import stats_beside
from engine.cache.store import ChunkStore
from tests.architecture.source import ROOT

ALICES = document_key("a", "alice")

# Says how a store is opened there, keeps it open until its input ends, then says what is in it.
WORKER = """
import sys
from pathlib import Path
from engine.cache.store import ChunkStore
store = ChunkStore(Path(sys.argv[1]), budget_bytes=8_000_000)
store.put("state", bytes(32), bytes(100_000))
print("open", flush=True)
sys.stdin.read()
store.put("state", bytes(31) + b"1", bytes(5))
print(store.stats().kinds["state"].records)
store.close()
"""


def said(action: str, folder: Path) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-m", "engine", "store", action, str(folder)], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


class Worker:
    """Another process that has the store open."""

    def __init__(self, folder: Path) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, "-c", WORKER, str(folder)], cwd=ROOT, stdin=pipe, stdout=pipe, text=True)

    def is_open(self) -> bool:
        assert self._process.stdout
        return self._process.stdout.readline() == "open\n"

    def end(self) -> str:
        told, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return told


def filled(folder: Path) -> ChunkStore:
    store = ChunkStore(folder, budget_bytes=4_000_000)
    for number in range(20):
        store.put("state", number.to_bytes(32, "big"), np.random.default_rng(number).bytes(100_000), KeptFor((ALICES,)))
        store.put("scan", number.to_bytes(32, "big"), np.random.default_rng(100 + number).bytes(1000))
    return store


def test_it_says_what_a_store_holds(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.get("state", (3).to_bytes(32, "big"))
    store.get("scan", bytes(31) + b"x")
    store.close()
    code, told, _ = said("stats", tmp_path)
    assert code == 0
    lines = told.splitlines()
    assert lines[:3] == ["state: 20 records, 1.91 MiB", "scan: 20 records, 19.5 KiB", "all: 1.93 MiB, 50% of the budget of 3.81 MiB"]
    assert lines[4] == "asked for: 1 found, 1 not; 0 had to go for others"
    assert lines[5].startswith("longest unused: since 20")


def test_stats_are_told_while_an_engine_has_the_store_open(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    assert worker.is_open()
    code, told, error = said("stats", tmp_path)
    assert (code, error) == (0, "")
    assert "state: 1 records, 97.7 KiB" in told
    assert "of the budget of 7.63 MiB" in told
    assert worker.end() == "2\n", "and it goes on as before"


def test_a_store_that_is_open_elsewhere_is_not_compacted(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    assert worker.is_open()
    before = (tmp_path / FILE).read_bytes()
    code, told, error = said("compact", tmp_path)
    assert (code, told) == (1, "")
    assert "open elsewhere. End the engine worker" in error
    assert (tmp_path / FILE).read_bytes() == before
    assert worker.end() == "2\n"
    assert said("compact", tmp_path)[0] == 0


def test_compacting_leaves_all_records_and_no_room_between_them(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.delete("state", [number.to_bytes(32, "big") for number in range(15)])
    store.close()
    full = stats_beside(tmp_path)
    assert full.free_bytes > 1_400_000
    code, told, _ = said("compact", tmp_path)
    assert code == 0
    assert "before" in told
    small = stats_beside(tmp_path)
    assert small.file_bytes < 750_000
    assert small.free_bytes < 50_000
    assert (small.kinds, small.budget_bytes) == (full.kinds, full.budget_bytes)
    store = ChunkStore(tmp_path, budget_bytes=4_000_000)
    for number in range(20):
        value = np.random.default_rng(number).bytes(100_000)
        assert store.get("state", number.to_bytes(32, "big")) == (value if number >= 15 else None)
        assert store.get("scan", number.to_bytes(32, "big")) == np.random.default_rng(100 + number).bytes(1000)
    store.put("state", bytes(32), b"new")
    store.release(ALICES)
    assert store.stats().kinds["state"].records == 0, "it knows still for whom they were kept"
    store.close()


def test_who_comes_while_it_is_compacted_waits_and_finds_the_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path).close()
    workers = []
    replace = Path.replace

    def opened_meanwhile(self: Path, target: Path) -> Path:
        workers.append(Worker(tmp_path))
        with pytest.raises(subprocess.TimeoutExpired):
            workers[0]._process.wait(1)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", opened_meanwhile)
    compact(tmp_path)
    assert workers[0].is_open()
    assert workers[0].end() == "21\n", "record 0 in its place, and one more"


def test_a_compaction_that_was_killed_leaves_nothing(tmp_path: Path) -> None:
    filled(tmp_path).close()
    (tmp_path / "copy.mdb").write_bytes(b"half of it")
    store = ChunkStore(tmp_path)
    assert store.stats().kinds["scan"].records == 20
    assert not (tmp_path / "copy.mdb").exists()
    store.close()


@pytest.mark.parametrize("action", ["stats", "compact"])
def test_it_says_where_no_store_is(tmp_path: Path, action: str) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        assert said(action, folder) == (1, "", f"There is no store in {folder}. Name the folder 'store' in LONGREAD_HOME.\n")
    (tmp_path / FILE).write_bytes(b"no store" * 10_000)
    code, told, error = said(action, tmp_path)
    assert (code, told) == (1, "")
    assert error.startswith(f"The store in {tmp_path} ")
    assert "Traceback" not in error


def test_no_room_for_the_copy_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path).close()
    before = (tmp_path / FILE).read_bytes()
    code = """
import resource, sys
from pathlib import Path
from engine.cache.compaction import compact
from engine.errors import EngineError
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    compact(Path(sys.argv[1]))
except EngineError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "It needs room for its records once more." in done.stdout
    assert (tmp_path / FILE).read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} <= {FILE, f"{FILE}-lock"}
