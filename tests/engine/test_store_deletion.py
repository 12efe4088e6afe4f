"""Deletion that deletes: what is forgotten can no longer be had, and once it is scrubbed no longer stands in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.cache.folder import FILE
from engine.cache.ledger import KeptFor
from engine.cache.store import ChunkStore
from tests.engine.test_store import ALICES, BOBS, HERS_TOO, key_of, there


def test_it_forgets_what_is_deleted(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put("state", key_of(1), b"x")
    store.delete("state", [key_of(1), key_of(2)])
    assert store.get("state", key_of(1)) is None
    assert store.stats().chunks == 0


def in_file(folder: Path, *values: bytes) -> list[bool]:
    data = (folder / FILE).read_bytes()
    return [value in data for value in values]


def secret(number: int, size: int) -> bytes:
    """Bytes of which no eight in a row stand anywhere else."""
    return np.random.default_rng(number).bytes(size)


@pytest.mark.parametrize("size", [8, 3000, 100_000])
def test_what_was_released_is_no_longer_in_the_file_once_it_is_scrubbed(tmp_path: Path, size: int) -> None:
    """Not a single run of eight bytes of it, where deleting alone leaves them all, whatever went before."""
    store = ChunkStore(tmp_path, budget_bytes=30 * size)
    for number in range(20):
        store.put("state", key_of(number), secret(number, size), KeptFor((ALICES,)))
        store.put("scan", key_of(number), secret(100 + number, size), KeptFor((HERS_TOO if number % 3 else BOBS,)))
    had_to_go = [number for number in range(20) if number not in there(store, keys=range(20))]
    store.release(ALICES)
    store.release(HERS_TOO)
    store.scrub()
    data = (tmp_path / FILE).read_bytes()
    gone = [secret(number, size) for number in range(20)] + [secret(100 + number, size) for number in range(20) if number % 3]
    left = [value for value in gone if any(value[at : at + 8] in data for at in range(0, size, 1024))]
    assert (len(had_to_go), left) == (10, [])
    for number in range(0, 20, 3):
        assert store.get("scan", key_of(number)) == secret(100 + number, size)
    assert store.stats().free_bytes > 0
    store.put("state", key_of(0), secret(0, size))
    assert store.get("state", key_of(0)) == secret(0, size)


def test_deleting_alone_leaves_bytes_in_the_file(tmp_path: Path) -> None:
    """What scrubbing is for."""
    store = ChunkStore(tmp_path)
    store.put("state", key_of(1), secret(1, 50_000))
    store.delete("state", [key_of(1)])
    assert in_file(tmp_path, secret(1, 50_000)[:2000]) == [True]
    store.scrub()
    assert in_file(tmp_path, secret(1, 50_000)[:2000]) == [False]


def test_scrubbing_leaves_what_is_being_read_and_takes_it_the_next_time(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put("state", key_of(1), secret(1, 50_000))
    with store.reading() as reading:
        view = reading.view("state", key_of(1))
        store.delete("state", [key_of(1)])
        store.scrub()
        assert view == secret(1, 50_000)
    store.scrub()
    assert in_file(tmp_path, secret(1, 50_000)[:2000]) == [False]


def test_scrubbing_beside_a_long_reading_hardly_grows_the_file(tmp_path: Path) -> None:
    """Though nothing of what is deleted can be taken again while it lasts."""
    store = ChunkStore(tmp_path)
    for number in range(40):
        store.put("state", key_of(number), secret(number, 100_000))
    with store.reading():
        store.delete("state", map(key_of, range(40)))
        before = store.stats().file_bytes
        for _ in range(4):
            store.scrub()
        assert store.stats().file_bytes <= before + 4 * (512 << 10)
    store.scrub()
    assert not any(in_file(tmp_path, *(secret(number, 100_000)[:2000] for number in range(40))))


def test_scrubbing_again_and_again_hardly_grows_the_file(tmp_path: Path) -> None:
    store, sizes = ChunkStore(tmp_path), []
    for number in range(12):
        store.put("state", key_of(1), secret(number, 200_000))
        store.delete("state", [key_of(1)])
        store.scrub()
        sizes.append(store.stats().file_bytes)
    assert max(sizes) <= 3 * 200_000 + 12 * (64 << 10), "a few pages each time"
