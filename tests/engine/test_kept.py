"""What a store keeps for documents is counted as `release` frees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cache.kept import Kept, kept_beside
from engine.cache.store import ChunkStore

FIRST, SECOND, THIRD = (bytes([number]) * 32 for number in range(3))


@pytest.fixture
def store(tmp_path: Path) -> ChunkStore:
    """FIRST keeps a scan record and a state, SECOND the same scan record; a third state depends on both."""
    store = ChunkStore(tmp_path, budget_bytes=10**6)
    store.put("scan", b"a" * 32, b"x" * 100)
    store.put("state", b"b" * 32, b"x" * 1000)
    store.put("state", b"c" * 32, b"x" * 5000)
    store.refer(FIRST, {"scan": [b"a" * 32], "state": [b"b" * 32]})
    store.refer(SECOND, {"scan": [b"a" * 32]})
    for document in (FIRST, SECOND):
        store.refer(document, {"state": [b"c" * 32]}, jointly=True)
    return store


def test_it_counts_each_record_once_and_what_no_other_document_keeps(store: ChunkStore) -> None:
    stored = store.stats().bytes
    store.close()
    first, second, both = (kept_beside(store.folder, documents) for documents in ([FIRST], [SECOND], [FIRST, SECOND]))
    assert (first.bytes, second.bytes) == (both.bytes, first.bytes - (both.bytes - second.bytes))
    assert first.bytes - first.freed_bytes == second.bytes - second.freed_bytes > 0
    assert both.freed_bytes == both.bytes == stored


@pytest.mark.parametrize("released", [[FIRST], [SECOND], [FIRST, SECOND]])
def test_it_says_what_release_frees(store: ChunkStore, released: list[bytes]) -> None:
    before = store.stats().bytes
    store.close()
    told = kept_beside(store.folder, released)
    again = ChunkStore(store.folder, budget_bytes=10**6)
    for document in released:
        again.release(document)
    assert before - again.stats().bytes == told.freed_bytes


def test_it_counts_nothing_for_strangers_and_where_no_store_is(store: ChunkStore, tmp_path: Path) -> None:
    store.close()
    assert kept_beside(store.folder, [THIRD]) == Kept()
    assert kept_beside(tmp_path / "nowhere", [FIRST]) == Kept()
