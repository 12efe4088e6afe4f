"""What was read, kept on disk: the state of one chunk under a hash of everything it depends on.

LMDB underneath: transactions, crash safety, many readers beside one writer at a time. A byte budget, the least recently used chunk goes
first. Every value carries a checksum; one that does not check is dropped and counts as never stored. Knows bytes and keys, no tensors
and no model. Imports no torch.
"""

from __future__ import annotations

import hashlib
import struct
import time
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import lmdb

from engine.errors import StoreFull
from engine.prompt import TokenArray

DEFAULT_BUDGET_BYTES = 8 << 30
SUM = struct.Struct("<IQ")  # before each value: its checksum and length
USED = struct.Struct("<QQ")  # beside each key: when it was used last (ns), and the value's bytes


@dataclass(frozen=True, slots=True)
class StoreStats:
    bytes: int
    chunks: int
    budget_bytes: int


def chunk_key(
    *,
    model: str,
    mode: str,
    salt: str,
    prefix: TokenArray,
    chunk: TokenArray,
    images: Sequence[str] = (),
    parent: bytes = b"",
) -> bytes:
    """32 bytes that say all that a chunk's state depends on. The owner's salt keys the hash: two owners never share a key.

    `images`: each page image's content and place; `parent`: the key of what was read before it, where that matters.
    """
    key = hashlib.blake2b(salt.encode(), digest_size=32).digest()
    digest = hashlib.blake2b(key=key, digest_size=32)
    parts = [model.encode(), mode.encode(), prefix.astype("<i4").tobytes(), chunk.astype("<i4").tobytes(), parent]
    for part in [*parts, *(image.encode() for image in images)]:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


class ChunkStore:
    """One folder, opened once a process. Values are raw bytes."""

    def __init__(self, folder: Path, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.budget_bytes = budget_bytes
        self._used_now: dict[bytes, int] = {}
        # Twice the budget, for freed pages are reused only where a value fits; the file grows with what is written, not to this.
        map_bytes = 2 * budget_bytes + (64 << 20)
        try:
            self._env = lmdb.open(str(folder), map_size=map_bytes, max_dbs=2, metasync=False, max_readers=512)
            self._values, self._used = self._env.open_db(b"values"), self._env.open_db(b"used")
        except lmdb.Error as error:
            raise StoreFull(
                f"The store in {folder} cannot be opened: {error}. Make room there, or delete the folder; it is made again."
            ) from error

    def close(self) -> None:
        """Write down what was used, and let go of the files."""
        with suppress(lmdb.Error), self._env.begin(write=True) as transaction:
            self._note_use(transaction)
        self._env.close()

    def has(self, key: bytes) -> bool:
        with self._env.begin(self._used) as transaction:
            return transaction.get(key) is not None

    def get(self, key: bytes) -> bytes | None:
        """The value, or None if it is not there or is damaged (then it is dropped)."""
        with self._env.begin(self._values, buffers=True) as transaction:
            stored = transaction.get(key)
            if stored is None:
                return None
            value = bytes(stored[SUM.size :])
            whole = len(stored) >= SUM.size and SUM.unpack_from(stored) == checksum(value)
        if not whole:
            self.delete([key])
            return None
        self._used_now[key] = time.time_ns()
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value, and drop the least recently used until all fits the budget. Raises StoreFull."""
        size = len(value)
        if size > self.budget_bytes:
            raise StoreFull(f"One chunk takes {size:,} bytes and the store may hold {self.budget_bytes:,}. Raise the store's budget.")
        try:
            with self._env.begin(write=True) as transaction:
                self._note_use(transaction)
                self._evict(transaction, size)
                transaction.put(key, SUM.pack(*checksum(value)) + value, db=self._values)
                transaction.put(key, USED.pack(time.time_ns(), size), db=self._used)
        except lmdb.Error as error:
            raise StoreFull(f"The store cannot be written: {error}. Make room on its disk, or lower its budget.") from error

    def delete(self, keys: Iterable[bytes]) -> None:
        """Forget these; a key that is not there is no error."""
        with self._env.begin(write=True) as transaction:
            for key in keys:
                self._drop(transaction, key)

    def stats(self) -> StoreStats:
        with self._env.begin(self._used) as transaction:
            sizes = [USED.unpack(row)[1] for _, row in transaction.cursor()]
        return StoreStats(sum(sizes), len(sizes), self.budget_bytes)

    def _note_use(self, transaction: lmdb.Transaction) -> None:
        for key, moment in self._used_now.items():
            row = transaction.get(key, db=self._used)
            if row is not None:
                transaction.put(key, USED.pack(moment, USED.unpack(row)[1]), db=self._used)
        self._used_now.clear()

    def _evict(self, transaction: lmdb.Transaction, size: int) -> None:
        rows = sorted((*USED.unpack(row), key) for key, row in transaction.cursor(self._used))
        excess = sum(bytes_ for _, bytes_, _ in rows) + size - self.budget_bytes
        for _, bytes_, key in rows:
            if excess <= 0:
                return
            self._drop(transaction, key)
            excess -= bytes_

    def _drop(self, transaction: lmdb.Transaction, key: bytes) -> None:
        transaction.delete(key, db=self._values)
        transaction.delete(key, db=self._used)


def checksum(value: bytes) -> tuple[int, int]:
    return zlib.crc32(value), len(value)
