"""What was read, kept on disk: two kinds of record, each under a hash of everything that it depends on (engine.cache.keys). A *state* is
the attention state of a run; a *scan* record is what finds a chunk again.

LMDB underneath: transactions, crash safety, a memory map, many reading processes beside one that writes. A byte budget: states go before
scan records, the least recently used first, and never what is pinned. Every value carries a checksum; one that does not check is dropped
and counts as never stored. Knows bytes and keys, no tensors and no model. Imports no torch.
"""

from __future__ import annotations

import logging
import struct
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from threading import Lock

import lmdb

from engine.cache import scrub
from engine.cache.folder import FILE, MOST_READERS, Opened, remove_other_layouts, reserve
from engine.cache.ledger import KINDS, NOBODY, KeptFor, Kind, Ledger, Tables
from engine.cache.mapped import Stretch
from engine.cache.stats import BUDGET, MOST_TABLES, StoreStats, free_pages, read_stats
from engine.errors import StoreFull

logger = logging.getLogger(__name__)

DEFAULT_BUDGET_BYTES = 8 << 30
SUM = struct.Struct("<QQ")  # before each value: its checksum and length; 16 bytes, so that values stay as aligned as LMDB has them
NOTED_AT_ONCE = 512  # so many uses are written down with one value; more would keep it waiting
NOTED_FOR_S = 60.0  # a use is not written down again within this
REFUSED_FOR_S = 60.0  # nor said again that a value found no room; small ones still do where large ones do not

Record = tuple[Kind, bytes, bytes]
"""Kind, key and value."""


class ChunkStore:
    """One folder, opened once a process. Values are raw bytes."""

    def __init__(self, folder: Path, budget_bytes: int = DEFAULT_BUDGET_BYTES, map_bytes: int | None = None) -> None:
        """`map_bytes`: what the file may ever take; by default twice the budget, for freed pages are reused only where a value fits.
        The file grows with what is written, not to this."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.budget_bytes = folder, budget_bytes
        self._used: dict[tuple[Kind, bytes], int] = {}
        self._noted: dict[tuple[Kind, bytes], float] = {}
        self._counted: Counter[str] = Counter()
        self._verified: dict[Kind, set[bytes]] = {kind: set() for kind in KINDS}
        self._pins: Counter[bytes] = Counter()
        self._refused: str | None = None
        self._refused_at = self._said_at = 0.0
        self._pinning, self._scrubbing = Lock(), Lock()
        self._opened = Opened(folder)
        remove_other_layouts(folder)
        try:
            reserve(folder)
            size = map_bytes or 2 * budget_bytes + (64 << 20)
            self._env = lmdb.open(
                str(folder / FILE), subdir=False, map_size=size, max_dbs=MOST_TABLES, metasync=False, max_readers=MOST_READERS
            )
            self._tables, self._zeros = Tables.of(self._env), self._env.open_db(scrub.TABLE)
            self._least_bytes: int = self._env.stat()["psize"]
        except (lmdb.Error, OSError) as error:
            raise StoreFull(
                f"The store in {folder} cannot be opened: {error}. Make room there, or delete the folder; it is made again."
            ) from error
        with suppress(lmdb.Error), self._env.begin(write=True) as transaction:
            if (ledger := Ledger(self._tables, transaction)).count(BUDGET) != budget_bytes:
                ledger.set(BUDGET, budget_bytes)

    def close(self) -> None:
        """Write down what was used, and let go of the files."""
        with suppress(lmdb.Error), self._env.begin(write=True) as transaction:
            self._note_use(Ledger(self._tables, transaction), len(self._used))
        with self._scrubbing:
            self._env.close()
        self._opened.close()

    def has(self, kind: Kind, key: bytes) -> bool:
        return not self.missing(kind, [key])

    def missing(self, kind: Kind, keys: Iterable[bytes]) -> list[bytes]:
        """Those of the keys under which nothing is stored, in their order."""
        with self._env.begin() as transaction:
            ledger = Ledger(self._tables, transaction)
            return [key for key in keys if ledger.size(kind, key) is None]

    def get(self, kind: Kind, key: bytes) -> bytes | None:
        """The value, or None if it is not there or is damaged (then it is dropped)."""
        self._verified[kind].discard(key)
        with self.reading() as reading:
            value = reading.view(kind, key)
            return None if value is None else bytes(value)

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """The store as of now, for views that copy nothing. While it lasts, what others delete still takes its room: be short."""
        with self._env.begin(buffers=True) as transaction:
            yield Reading(self, self._tables, transaction)

    def put(self, kind: Kind, key: bytes, value: bytes, kept_for: KeptFor = NOBODY) -> None:
        """Keep a value, for these documents, and drop what has to go for it. Raises StoreFull."""
        self.put_all([(kind, key, value)], kept_for)

    def put_all(self, records: Sequence[Record], kept_for: KeptFor = NOBODY) -> None:
        """Keep several, all or none of them: sooner done than one after another. Raises StoreFull."""
        with self._noticed():
            self._put_all(records, sum(len(value) for _, _, value in records), kept_for)

    def delete(self, kind: Kind, keys: Iterable[bytes]) -> None:
        """Forget these, whoever keeps them; a key that is not there is no error."""
        with self._writing() as ledger:
            for key in keys:
                ledger.drop(kind, key)

    def refer(self, document: bytes, keys: Mapping[Kind, Iterable[bytes]], *, jointly: bool = False) -> None:
        """These records, stored already or to come, are kept for this document, as KeptFor has it. Raises StoreFull."""
        kept_for = KeptFor((document,), jointly)
        with self._env.begin() as transaction:
            known = Ledger(self._tables, transaction)
            fresh = [(kind, key) for kind in keys for key in keys[kind] if not known.is_kept(kind, key, kept_for)]
        if fresh:
            with self._writing() as ledger:
                for kind, key in fresh:
                    ledger.keep(kind, key, kept_for)

    def release(self, document: bytes) -> None:
        """The document is gone: forget the records that were kept for it and for no other, and those kept for it jointly."""
        with self._writing() as ledger:
            for kind, key in ledger.release(document):
                ledger.drop(kind, key)

    def scrub(self) -> None:
        """Overwrite in the file what was deleted or had to go; for any thread. What an open reading sees stays. Raises StoreFull."""
        with self._scrubbing, self._translated():
            scrub.scrub(self._env, self._zeros, free_pages(self._env, self._tables))

    @contextmanager
    def pinned(self, keys: Iterable[bytes]) -> Iterator[None]:
        """While it lasts, no record under these keys has to go for another. Deleting them works as ever."""
        pins = Counter(keys)
        with self._pinning:
            self._pins += pins
        try:
            yield
        finally:
            with self._pinning:
                self._pins -= pins

    @property
    def refused(self) -> str | None:
        """Why a value that was to be kept found no room; None once values have found some for a minute."""
        return self._refused

    def stats(self) -> StoreStats:
        """What is written down, and what was counted since."""
        written, counted = read_stats(self._env, self._tables), self._counted
        hits, misses = written.hits + counted["hits"], written.misses + counted["misses"]
        return replace(written, budget_bytes=self.budget_bytes, hits=hits, misses=misses)

    def seen(self, kind: Kind, key: bytes, stored: memoryview | None) -> memoryview | None:
        """The value in `stored`, which was found under this key, and None if it is damaged: then it is dropped. It counts as used."""
        if stored is not None and not self._sound(kind, key, stored):
            logger.warning("A %s record of the store in %s is damaged; it is dropped and read again.", kind, self.folder)
            with suppress(StoreFull):
                self.delete(kind, [key])
            stored = None
        self._counted["misses" if stored is None else "hits"] += 1
        if stored is None:
            return None
        if time.monotonic() - self._noted.get((kind, key), -NOTED_FOR_S) >= NOTED_FOR_S:
            self._used[kind, key] = time.time_ns()
        return stored[SUM.size : SUM.size + SUM.unpack_from(stored)[1]]

    def _put_all(self, records: Sequence[Record], size: int, kept_for: KeptFor) -> None:
        if size > self.budget_bytes:
            raise StoreFull(
                f"One chunk takes {size:,} bytes and the store may hold {self.budget_bytes:,}. Raise the store's budget."
                if len(records) == 1
                else f"{len(records)} records take {size:,} bytes and the store may hold {self.budget_bytes:,}. Raise the store's budget."
            )
        with self._writing() as ledger:
            noted = self._note_use(ledger, NOTED_AT_ONCE)
            replaced = sum(ledger.size(kind, key) or 0 for kind, key, _ in records)
            self._evict(ledger, size - replaced, {(kind, key) for kind, key, _ in records})
            for kind, key, value in records:
                ledger.put(kind, key, self._stored(value), len(value), time.time_ns())
                ledger.keep(kind, key, kept_for)
        self._noted_down(noted)
        for kind, key, _ in records:
            self._verified[kind].discard(key)

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        """Whoever runs this machine learns from the log that values find no room, and that they do again: callers go on without storing."""
        try:
            yield
        except StoreFull as error:
            now = time.monotonic()
            if self._refused is None or now - self._said_at >= REFUSED_FOR_S:
                logger.warning("%s Until then what is not stored is read when a question needs it, each time anew.", error)
                self._said_at = now
            self._refused, self._refused_at = str(error), now
            raise
        if self._refused is not None and time.monotonic() - self._refused_at >= REFUSED_FOR_S:
            logger.warning("The store in %s has room again.", self.folder)
            self._refused = None

    def _stored(self, value: bytes) -> bytes:
        """The value as it lies in the file: in two or more pages of its own, for of what takes up to one LMDB leaves traces in others."""
        return (SUM.pack(*checksum(value)) + value).ljust(self._least_bytes, b"\0")

    def _sound(self, kind: Kind, key: bytes, stored: memoryview) -> bool:
        if key not in self._verified[kind]:
            if len(stored) < SUM.size or SUM.unpack_from(stored) != checksum(stored[SUM.size : SUM.size + SUM.unpack_from(stored)[1]]):
                return False
            self._verified[kind].add(key)
        return True

    @contextmanager
    def _writing(self) -> Iterator[Ledger]:
        """The books in one transaction. Raises StoreFull."""
        with self._translated(), self._env.begin(write=True) as transaction:
            yield Ledger(self._tables, transaction)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """LMDB's errors as StoreFull."""
        try:
            yield
        except lmdb.MapFullError as error:
            raise StoreFull(
                f"The store's file in {self.folder} has no room left between its records. End what uses it and run "
                f"'python -m engine store compact {self.folder}', or raise the store's budget."
            ) from error
        except lmdb.Error as error:
            raise StoreFull(f"The store cannot be written: {error}. Make room on its disk, or lower its budget.") from error

    def _note_use(self, ledger: Ledger, limit: int) -> list[tuple[Kind, bytes]]:
        """Write down some of what was used and counted; returns which, to be told to `_noted_down` once it is written."""
        noted = list(islice(self._used, limit))
        for kind, key in noted:
            ledger.touch(kind, key, self._used[kind, key])
        for name in ("hits", "misses"):
            ledger.add(name, self._counted[name])
        return noted

    def _noted_down(self, noted: Iterable[tuple[Kind, bytes]]) -> None:
        for used in noted:
            self._used.pop(used, None)
            self._noted[used] = time.monotonic()
        self._counted.clear()

    def _evict(self, ledger: Ledger, more: int, keep: set[tuple[Kind, bytes]]) -> None:
        """Make room for so many more bytes. Raises StoreFull if what is pinned leaves none."""
        excess, gone = ledger.stored_bytes() + more - self.budget_bytes, list[tuple[Kind, bytes]]()
        if excess <= 0:
            return
        for kind, key, _ in ledger.in_order():
            if excess <= 0:
                break
            if key not in self._pins and (kind, key) not in keep:
                excess -= ledger.size(kind, key) or 0
                gone.append((kind, key))
        if excess > 0:
            raise StoreFull(
                f"What is being read takes {self.budget_bytes - more + excess:,} of the store's {self.budget_bytes:,} bytes. "
                "Raise the store's budget, or wait until fewer questions are open."
            )
        for kind, key in gone:
            ledger.drop(kind, key)
            self._verified[kind].discard(key)
        ledger.add("evictions", len(gone))


class Reading:
    """The store as of one moment."""

    def __init__(self, store: ChunkStore, tables: Tables, transaction: lmdb.Transaction) -> None:
        self._store, self._tables, self._in = store, tables, transaction
        self._looked_at = Stretch()

    def view(self, kind: Kind, key: bytes) -> memoryview | None:
        """The value where it lies in the memory map, until the reading ends; None if it is not there or is damaged (then it is dropped).
        Its checksum is looked at when this process first meets the key."""
        value = self._store.seen(kind, key, self._stored(kind, key))
        if value is not None:
            self._looked_at.add(value)
        return value

    def give_back(self) -> None:
        """What was viewed so far need not stay in this process's memory; the views stay valid."""
        self._looked_at.give_back()

    def held(self, kind: Kind, key: bytes) -> bool:
        """Was there anything under this key, damaged or not?"""
        return self._stored(kind, key) is not None

    def _stored(self, kind: Kind, key: bytes) -> memoryview | None:
        try:
            stored = self._in.get(key, db=self._tables.values[kind])
        except lmdb.Error as error:
            logger.warning("The store in %s is damaged: %s. Delete the folder; it is made again.", self._store.folder, error)
            return None
        return None if stored is None else memoryview(stored)


def checksum(value: bytes | memoryview) -> tuple[int, int]:
    return zlib.crc32(value), len(value)
