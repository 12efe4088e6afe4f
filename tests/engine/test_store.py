"""The store on disk: budget, damage, owners, other processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest

from engine.cache.store import ChunkStore, chunk_key
from engine.errors import StoreFull

IDS = np.arange(5, dtype=np.int32)


def key_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_it_keeps_values_over_a_restart(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put(key_of(1), b"value" * 1000)
    store.close()
    store = ChunkStore(tmp_path)
    assert store.get(key_of(1)) == b"value" * 1000
    assert store.get(key_of(2)) is None
    assert (store.stats().chunks, store.stats().bytes) == (1, 5000)


def test_it_drops_the_least_recently_used_first(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, budget_bytes=3000)
    for number in (1, 2, 3):
        store.put(key_of(number), bytes(1000))
    store.get(key_of(1))
    store.put(key_of(4), bytes(1000))
    assert [store.has(key_of(number)) for number in (1, 2, 3, 4)] == [True, False, True, True]
    assert store.stats().bytes == 3000


def test_it_notices_a_damaged_value_and_drops_it(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put(key_of(1), b"precious" * 4096)
    store.close()
    file = tmp_path / "data.mdb"
    data = bytearray(file.read_bytes())
    data[data.rindex(b"precious") + 3] ^= 0x10
    file.write_bytes(data)
    store = ChunkStore(tmp_path)
    assert store.get(key_of(1)) is None
    assert not store.has(key_of(1))


def test_it_says_when_a_value_is_over_the_budget(tmp_path: Path) -> None:
    with pytest.raises(StoreFull, match="Raise the store's budget"):
        ChunkStore(tmp_path, budget_bytes=100).put(key_of(1), bytes(101))


def test_it_says_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ChunkStore(tmp_path)

    class Full:
        def begin(self, *_: object, **__: object) -> object:
            raise lmdb.DiskError("No space left on device")

    monkeypatch.setattr(store, "_env", Full())
    with pytest.raises(StoreFull, match="Make room"):
        store.put(key_of(1), b"x")


def test_it_forgets_what_is_deleted(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put(key_of(1), b"x")
    store.delete([key_of(1), key_of(2)])
    assert store.get(key_of(1)) is None
    assert store.stats().chunks == 0


def test_it_can_be_read_by_another_process(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put(key_of(7), b"shared")
    code = """
import sys
from pathlib import Path
from engine.cache.store import ChunkStore
print(ChunkStore(Path(sys.argv[1])).get((7).to_bytes(32, "big")).decode())
"""
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "shared"


def test_it_never_shares_a_key_between_owners() -> None:
    base = {"model": "m", "mode": "isolated", "salt": "alice", "prefix": IDS[:2], "chunk": IDS}
    others = [
        {"salt": "bob"},
        {"model": "n"},
        {"mode": "exact"},
        {"prefix": IDS[:1]},
        {"chunk": IDS[:4]},
        {"prefix": IDS[:0], "chunk": IDS},
        {"parent": b"before"},
        {"images": ["first"]},
        {"images": ["first", "second"]},
        {"images": ["firstsecond"]},
        {"parent": b"first", "images": ["second"]},
    ]
    keys = {chunk_key(**(base | other)) for other in [{}, *others]}  # type: ignore[arg-type]
    assert len(keys) == 1 + len(others)
    assert chunk_key(**base) == chunk_key(**base)  # type: ignore[arg-type]
