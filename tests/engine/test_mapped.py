"""Looking through a store holds no memory that was given back. (engine/cache/mapped.py)"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.cache.mapped import Stretch
from engine.cache.store import ChunkStore

RECORD = 1 << 20
RECORDS = 48


def file_bytes_held() -> int:
    """Of all files mapped, what lies in this process's memory."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssFile:"))


@pytest.mark.skipif(sys.platform != "linux", reason="the call is Linux's")
def test_it_holds_no_more_than_was_looked_at_since(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, 2 * RECORDS * RECORD)
    keys = [number.to_bytes(32, "big") for number in range(RECORDS)]
    for number, key in enumerate(keys):
        store.put("scan", key, bytes([number]) * RECORD)
    with store.reading() as reading:
        before = file_bytes_held()
        views = [reading.view("scan", key) for key in keys]
        assert file_bytes_held() - before > 0.9 * RECORDS * RECORD, "checksums read all of it"
        reading.give_back()
        assert file_bytes_held() - before < 0.1 * RECORDS * RECORD
        assert all(view == bytes([number]) * RECORD for number, view in enumerate(views)), "what was given back can still be read"
    store.close()


def test_nothing_looked_at_is_nothing_to_give_back() -> None:
    stretch = Stretch()
    stretch.add(memoryview(b""))
    stretch.give_back()
