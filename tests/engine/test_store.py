"""The store on disk: what it keeps and what has to go, references, pins, damage, a full disk, other processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest

from engine.cache.folder import FILE
from engine.cache.keys import chunk_key, document_key
from engine.cache.ledger import KINDS, KeptFor, Kind
from engine.cache.store import ChunkStore
from engine.errors import StoreFull

IDS = np.arange(5, dtype=np.int32)
ALICES, HERS_TOO, BOBS = document_key("a", "alice"), document_key("b", "alice"), document_key("a", "bob")


def key_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def there(store: ChunkStore, kind: Kind = "state", keys: range = range(10)) -> list[int]:
    missing = set(store.missing(kind, map(key_of, keys)))
    return [number for number in keys if key_of(number) not in missing]


@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_values_over_a_restart(tmp_path: Path, kind: Kind) -> None:
    store = ChunkStore(tmp_path)
    store.put(kind, key_of(1), b"value" * 1000)
    store.close()
    store = ChunkStore(tmp_path)
    assert store.get(kind, key_of(1)) == b"value" * 1000
    assert store.get(kind, key_of(2)) is None
    stats = store.stats()
    assert (stats.kinds[kind].records, stats.kinds[kind].bytes, stats.bytes) == (1, 5000, 5000)
    assert (stats.hits, stats.misses) == (1, 1)


def test_it_keeps_kinds_apart(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put_all([("state", key_of(1), b"state"), ("scan", key_of(1), b"scan"), ("scan", key_of(2), b"another")])
    assert (store.get("state", key_of(1)), store.get("scan", key_of(1))) == (b"state", b"scan")
    assert store.missing("state", [key_of(2), key_of(1), key_of(3)]) == [key_of(2), key_of(3)]
    store.delete("state", [key_of(1)])
    assert (store.has("state", key_of(1)), store.has("scan", key_of(1))) == (False, True)
    assert store.stats().chunks == 0


def test_it_drops_the_least_recently_used_first(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, budget_bytes=3000)
    for number in (1, 2, 3):
        store.put("state", key_of(number), bytes(1000))
    store.get("state", key_of(1))
    store.put("state", key_of(4), bytes(1000))
    assert there(store) == [1, 3, 4]
    assert (store.stats().bytes, store.stats().evictions) == (3000, 1)


def test_it_remembers_over_a_restart_what_was_used(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, budget_bytes=3000)
    for number in (1, 2, 3):
        store.put("state", key_of(number), bytes(1000))
    with store.reading() as reading:
        assert reading.view("state", key_of(1))
    store.close()
    store = ChunkStore(tmp_path, budget_bytes=3000)
    store.put("state", key_of(4), bytes(1000))
    assert there(store) == [1, 3, 4]


def test_states_go_before_scan_records(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, budget_bytes=4000)
    store.put("scan", key_of(1), bytes(1000))
    for number in (1, 2, 3):
        store.put("state", key_of(number), bytes(1000))
    store.put("scan", key_of(2), bytes(2000))
    assert (there(store), there(store, "scan")) == ([3], [1, 2])
    store.put("state", key_of(4), bytes(2000))
    assert (there(store), there(store, "scan")) == ([4], [2])


def test_it_counts_a_value_in_another_s_place_once(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, budget_bytes=3000)
    store.put("state", key_of(1), bytes(1000))
    store.put("state", key_of(2), bytes(1000))
    store.put("state", key_of(1), bytes(2000))
    assert there(store) == [1, 2]
    assert (store.stats().bytes, store.stats().chunks, store.stats().evictions) == (3000, 2, 0)
    assert store.get("state", key_of(1)) == bytes(2000)


def test_its_books_are_those_of_its_records(tmp_path: Path) -> None:
    """A thousand random changes, beside a plain dict."""
    store, random, plain = ChunkStore(tmp_path, budget_bytes=1 << 30), np.random.default_rng(1), dict[tuple[Kind, bytes], int]()
    for _ in range(1000):
        kind, key, size = KINDS[random.integers(2)], key_of(int(random.integers(40))), int(random.integers(300))
        if random.random() < 0.6:
            store.put(kind, key, bytes(size))
            plain[kind, key] = size
        else:
            store.delete(kind, [key])
            plain.pop((kind, key), None)
    for kind in KINDS:
        sizes = [size for (each, _), size in plain.items() if each == kind]
        assert (store.stats().kinds[kind].bytes, store.stats().kinds[kind].records) == (sum(sizes), len(sizes))


def test_what_is_pinned_stays(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, budget_bytes=3000)
    for number in (1, 2, 3):
        store.put("state", key_of(number), bytes(1000))
    with store.pinned([key_of(1), key_of(2)]):
        with store.pinned([key_of(1)]):
            store.put("state", key_of(4), bytes(1000))
        store.put("state", key_of(5), bytes(1000))
        assert there(store) == [1, 2, 5]
        with pytest.raises(StoreFull, match="Raise the store's budget, or wait"):
            store.put("state", key_of(6), bytes(2000))
        assert there(store) == [1, 2, 5]
    store.put("state", key_of(6), bytes(2000))
    assert there(store) == [5, 6]


def test_a_record_lives_as_long_as_one_document_that_has_it(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put_all([("state", key_of(1), b"hers"), ("state", key_of(2), b"shared")], KeptFor((ALICES,)))
    for _ in range(2):
        store.refer(HERS_TOO, {"state": [key_of(2), key_of(3)], "scan": [key_of(2)]})
    store.put("state", key_of(3), b"stored later")
    store.put("scan", key_of(2), b"scan")
    store.put("state", key_of(4), b"bob's", KeptFor((BOBS,)))
    store.release(ALICES)
    assert (there(store), there(store, "scan")) == ([2, 3, 4], [2])
    store.release(ALICES)
    store.release(HERS_TOO)
    assert (there(store), there(store, "scan")) == ([4], [])
    store.release(BOBS)
    assert store.stats().bytes == 0


def test_what_two_documents_keep_jointly_goes_with_the_first(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put("state", key_of(1), b"read one after the other")
    for document in (ALICES, HERS_TOO):
        store.refer(document, {"state": [key_of(1)]}, jointly=True)
    store.release(HERS_TOO)
    assert there(store) == []


def test_references_outlive_what_had_to_go(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, budget_bytes=1000)
    store.put("state", key_of(1), bytes(1000), KeptFor((ALICES,)))
    store.put("state", key_of(2), bytes(1000), KeptFor((HERS_TOO,)))
    store.put("state", key_of(1), bytes(1000))
    store.release(ALICES)
    assert there(store) == []


def flip(file: Path, near: bytes) -> None:
    data = bytearray(file.read_bytes())
    data[data.rindex(near) + 3] ^= 0x10
    file.write_bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_it_notices_a_damaged_value_and_drops_it(tmp_path: Path, kind: Kind) -> None:
    store = ChunkStore(tmp_path)
    store.put(kind, key_of(1), b"precious" * 4096)
    store.put(kind, key_of(2), b"whole" * 4096)
    store.close()
    flip(tmp_path / FILE, b"precious")
    store = ChunkStore(tmp_path)
    with store.reading() as reading:
        assert reading.view(kind, key_of(1)) is None
        assert reading.view(kind, key_of(2)) == b"whole" * 4096
    assert there(store, kind) == [2]
    assert store.stats().bytes == 5 * 4096
    assert (store.stats().hits, store.stats().misses) == (1, 1)
    store.put(kind, key_of(1), b"precious" * 4096)
    assert store.get(kind, key_of(1)) == b"precious" * 4096


class Torn:
    """A transaction over a file whose own structure is damaged."""

    def get(self, *_: object, **__: object) -> bytes:
        raise lmdb.CorruptedError("page")


def test_where_the_file_itself_is_damaged_nothing_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = ChunkStore(tmp_path)
    store.put("state", key_of(1), b"value")
    with store.reading() as reading:
        reading._in = Torn()
        assert reading.view("state", key_of(1)) is None
        assert not reading.held("state", key_of(1))
    assert "Delete the folder" in caplog.text
    assert store.get("state", key_of(1)) == b"value"


def test_a_view_copies_nothing(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put("scan", key_of(1), bytes(range(256)) * 64)
    with store.reading() as reading:
        first, second = (np.frombuffer(reading.view("scan", key_of(1)) or b"", np.uint8) for _ in range(2))
        assert first.ctypes.data == second.ctypes.data
        assert first.ctypes.data % 16 == 0
        assert not first.flags.writeable
        store.delete("scan", [key_of(1)])
        for number in range(2, 40):
            store.put("scan", key_of(number), bytes(16384))
        assert bytes(first) == bytes(range(256)) * 64, "what is being read stays as it was"


def test_a_value_that_was_stored_again_is_looked_at_again(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put("state", key_of(1), b"first")
    assert store.get("state", key_of(1)) == b"first"
    store.put("state", key_of(1), b"second")
    assert store.get("state", key_of(1)) == b"second"


def test_it_says_when_a_value_is_over_the_budget(tmp_path: Path) -> None:
    with pytest.raises(StoreFull, match="Raise the store's budget"):
        ChunkStore(tmp_path, budget_bytes=100).put("state", key_of(1), bytes(101))


def fill(store: ChunkStore) -> None:
    for number in range(100):
        store.put("state", key_of(number), bytes(10_000))


def test_it_says_when_its_map_is_full_and_gives_what_it_has(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, budget_bytes=1 << 20, map_bytes=256 << 10)
    with pytest.raises(StoreFull, match="store compact"):
        fill(store)
    kept = there(store, keys=range(100))
    assert kept == list(range(len(kept)))
    assert len(kept) > 5
    assert store.stats().bytes == 10_000 * len(kept)
    assert all(store.get("state", key_of(number)) == bytes(10_000) for number in kept)


FILL = """
import resource, signal, sys
from pathlib import Path
from engine.cache.store import ChunkStore
from engine.errors import StoreFull

store = ChunkStore(Path(sys.argv[1]), budget_bytes=8 << 20)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    for number in range(200):
        store.put("state", number.to_bytes(32, "big"), bytes([number]) * 10_000)
except StoreFull as error:
    print(number, error)
assert all(store.get("state", kept.to_bytes(32, "big")) == bytes([kept]) * 10_000 for kept in range(number))
store.close()
"""


def run(code: str, *arguments: object) -> str:
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def test_it_says_when_the_disk_is_full_and_goes_on_when_it_is_not(tmp_path: Path) -> None:
    """In a process that may write no file beyond a megabyte."""
    kept, message = run(FILL, tmp_path).split(maxsplit=1)
    assert "Make room on its disk" in message
    store = ChunkStore(tmp_path)
    assert there(store, keys=range(200)) == list(range(int(kept)))
    store.put("state", key_of(300), b"room again")
    assert store.get("state", key_of(300)) == b"room again"


OPEN = """
import resource, sys
from pathlib import Path
from engine.cache.store import ChunkStore
from engine.errors import StoreFull

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    ChunkStore(Path(sys.argv[1])).close()
except StoreFull as error:
    print(error)
"""


@pytest.mark.parametrize("room", [0, 20_000])
def test_a_disk_without_room_for_a_new_store_ends_in_words(tmp_path: Path, room: int) -> None:
    """And never in a bus error, which LMDB's memory map would cause."""
    assert "cannot be opened" in run(OPEN, tmp_path, room)
    store = ChunkStore(tmp_path)
    store.put("state", key_of(1), b"room")
    assert store.get("state", key_of(1)) == b"room"


def test_it_says_in_the_log_when_values_find_no_room_and_when_they_do_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ChunkStore(tmp_path, budget_bytes=1 << 20, map_bytes=256 << 10)
    assert store.refused is None
    for _ in range(3):
        with pytest.raises(StoreFull):
            fill(store)
    assert "raise the store's budget" in (store.refused or "")
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1, "once, not for each value"
    assert "no room left between its records" in told[0]
    assert "read when a question needs it" in told[0]
    store.delete("state", map(key_of, range(100)))
    store.scrub()
    store.put("state", key_of(1), bytes(10_000))
    assert store.refused, "a little found room, more might not"
    monkeypatch.setattr("engine.cache.store.REFUSED_FOR_S", 0.0)
    store.put("state", key_of(1), bytes(10_000))
    assert store.refused is None
    assert "has room again" in caplog.text


def test_it_can_be_read_by_another_process(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path)
    store.put("state", key_of(7), b"shared")
    code = """
import sys
from pathlib import Path
from engine.cache.store import ChunkStore
print(ChunkStore(Path(sys.argv[1])).get("state", (7).to_bytes(32, "big")).decode())
"""
    assert run(code, tmp_path).strip() == "shared"


# A value's first eight bytes say what the others are made of; half of them are states, half scan records.
VALUES = """
import sys, time
from pathlib import Path
import numpy as np
from engine.cache.store import ChunkStore

KINDS = ("state", "scan")
RECORDS = 30

def key_of(number): return number.to_bytes(32, "big")
def value(seed): return seed.to_bytes(8, "big") + np.random.default_rng(seed).bytes(100 + seed % 7 * 9000)
"""
WRITER = (
    VALUES
    + """
store, random = ChunkStore(Path(sys.argv[1]), budget_bytes=800_000), np.random.default_rng(1)
print("open", flush=True)
until, seed = time.monotonic() + 4, 0
while time.monotonic() < until:
    kind, number = KINDS[random.integers(2)], int(random.integers(RECORDS))
    if random.random() < 0.8:
        seed += 1
        store.put(kind, key_of(number), value(seed))
    else:
        store.delete(kind, [key_of(number)])
    if seed % 50 == 0:
        store.scrub()
print(seed, store.stats().evictions)
store.close()
"""
)
READER = (
    VALUES
    + """
store, seen = ChunkStore(Path(sys.argv[1]), budget_bytes=800_000), set()
print("open", flush=True)
until = time.monotonic() + 4
while time.monotonic() < until:
    with store.reading() as reading:
        views = [view for kind in KINDS for number in range(RECORDS) if (view := reading.view(kind, key_of(number))) is not None]
        for _ in range(2):
            for view in views:
                seed = int.from_bytes(view[:8], "big")
                assert view == value(seed), "what is read is whole, and stays so as long as the reading lasts"
                seen.add(seed)
        del views, view
print(len(seen), store.stats().bytes)
store.close()
"""
)


def test_several_processes_read_what_one_writes(tmp_path: Path) -> None:
    """A store that is over its budget, written, deleted and scrubbed all the time, beside three who read where the values lie."""
    ChunkStore(tmp_path, budget_bytes=800_000).close()
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=pipe, stderr=pipe, text=True)
        for code in (WRITER, READER, READER, READER)
    ]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, [error for _, error in said]
    assert not any("damaged" in error for _, error in said)
    (written, evicted), *readers = ([int(word) for word in told.split()[1:]] for told, _ in said)
    assert written > 100
    assert evicted > 0
    assert min(seen for seen, _ in readers) > 50
    store = ChunkStore(tmp_path, budget_bytes=800_000)
    found = [value for kind in KINDS for number in range(30) if (value := store.get(kind, key_of(number))) is not None]
    assert (store.stats().bytes, sum(total.records for total in store.stats().kinds.values())) == (sum(map(len, found)), len(found))


def test_it_makes_a_store_of_an_older_layout_anew(tmp_path: Path) -> None:
    env = lmdb.open(str(tmp_path), max_dbs=2)
    values = env.open_db(b"values")
    with env.begin(write=True) as transaction:
        transaction.put(key_of(1), b"of another time", db=values)
    env.close()
    store = ChunkStore(tmp_path)
    assert store.get("state", key_of(1)) is None
    store.put("state", key_of(1), b"new")
    assert store.get("state", key_of(1)) == b"new"
    assert {file.name for file in tmp_path.iterdir()} == {FILE, f"{FILE}-lock"}


def test_a_document_s_key_is_its_owner_s() -> None:
    assert len({ALICES, HERS_TOO, BOBS}) == 3
    assert document_key("a", "alice") == ALICES


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
