"""The books of the store, in tables beside the values: how large each record is, when it was used, for which documents it is kept, and
what all of them come to. Every figure is kept up as it changes, so none is ever counted anew.

All functions of a `Ledger` belong to one transaction, the caller's. Knows no values but their place, and no tensors. Imports no torch.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import lmdb

Kind = Literal["state", "scan"]
"""What a record is: a run's attention state, or what finds a chunk again. In the order in which they have to go."""
KINDS: tuple[Kind, ...] = get_args(Kind)

ROW = struct.Struct("<QQ")  # when a record was used last (ns), and its value's bytes
TOTAL = struct.Struct("<qq")  # of a kind: bytes, and records
COUNT = struct.Struct("<Q")
MOMENT = struct.Struct(">Q")  # sorted as numbers are
FOR_ONE, FOR_ALL = b"\0", b"\1"


@dataclass(frozen=True, slots=True)
class Total:
    """Of one kind: the bytes of all values, and how many there are."""

    bytes: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class KeptFor:
    """The documents for whose sake a record is kept, each by its hash (engine.cache.keys.document_key): until the last of them is
    released or, `jointly`, the first, because its state depends on all of them."""

    documents: tuple[bytes, ...] = ()
    jointly: bool = False


NOBODY = KeptFor()


@dataclass(frozen=True, slots=True)
class Tables:
    """`values` by kind. `rows`: a ROW for each record. `order`: (kind, moment of last use, key) of each. `kept`: a document's records;
    `keepers`: how many documents keep a record. `figures`: what is counted over all."""

    values: dict[Kind, Any]
    rows: Any
    order: Any
    kept: Any
    keepers: Any
    figures: Any

    @classmethod
    def of(cls, env: lmdb.Environment, *, create: bool = True) -> Tables:
        """Those of a store's file; made where they are missing, if `create`. Raises lmdb.Error."""
        values = {kind: env.open_db(kind.encode(), create=create) for kind in KINDS}
        kept = env.open_db(b"kept", dupsort=True, dupfixed=True, create=create)
        rows, order, keepers, figures = (env.open_db(name, create=create) for name in (b"rows", b"order", b"keepers", b"figures"))
        return cls(values, rows, order, kept, keepers, figures)

    def all(self) -> list[Any]:
        return [*self.values.values(), self.rows, self.order, self.kept, self.keepers, self.figures]


def record(kind: Kind, key: bytes) -> bytes:
    """A record's name in tables that hold both kinds."""
    return bytes([KINDS.index(kind)]) + key


class Ledger:
    """The books, as of one transaction."""

    def __init__(self, tables: Tables, transaction: lmdb.Transaction) -> None:
        self._tables, self._in = tables, transaction

    def size(self, kind: Kind, key: bytes) -> int | None:
        """Bytes of a record's value; None if there is none."""
        row = self._in.get(record(kind, key), db=self._tables.rows)
        return None if row is None else ROW.unpack(row)[1]

    def put(self, kind: Kind, key: bytes, value: bytes, size: int, moment: int) -> None:
        """Keep `value`, which counts for `size` bytes; `moment` in ns."""
        self._forget_row(kind, key)
        self._in.put(key, value, db=self._tables.values[kind])
        self._note(kind, key, moment, size)
        self._add(kind, size, 1)

    def drop(self, kind: Kind, key: bytes) -> int:
        """Forget a record, who keeps it aside; returns its bytes, 0 if it was not there."""
        self._in.delete(key, db=self._tables.values[kind])
        return self._forget_row(kind, key)

    def touch(self, kind: Kind, key: bytes, moment: int) -> None:
        """The record, if it is still there, was used at `moment` (ns)."""
        row = self._in.get(record(kind, key), db=self._tables.rows)
        if row is not None:
            before, size = ROW.unpack(row)
            self._in.delete(self._place(kind, key, before), db=self._tables.order)
            self._note(kind, key, moment, size)

    def in_order(self) -> Iterator[tuple[Kind, bytes, int]]:
        """All records as they have to go: states first, of a kind the least recently used first. With the moment of that use (ns)."""
        for place in self._in.cursor(self._tables.order).iternext(values=False):
            name = bytes(place)
            yield KINDS[name[0]], name[1 + MOMENT.size :], MOMENT.unpack_from(name, 1)[0]

    def oldest(self) -> int | None:
        """When the record that was not used for longest was used (ns); None if there is none."""
        moments = []
        for kind in KINDS:
            cursor = self._in.cursor(self._tables.order)
            if cursor.set_range(record(kind, b"")) and (place := bytes(cursor.key()))[0] == KINDS.index(kind):
                moments.append(MOMENT.unpack_from(place, 1)[0])
        return min(moments, default=None)

    def total(self, kind: Kind) -> Total:
        row = self._in.get(kind.encode(), db=self._tables.figures)
        return Total() if row is None else Total(*TOTAL.unpack(row))

    def stored_bytes(self) -> int:
        """Of all values."""
        return sum(self.total(kind).bytes for kind in KINDS)

    def count(self, name: str) -> int:
        """A figure by its name, 0 before it was first added to."""
        row = self._in.get(name.encode(), db=self._tables.figures)
        return 0 if row is None else COUNT.unpack(row)[0]

    def add(self, name: str, more: int) -> None:
        self.set(name, self.count(name) + more)

    def set(self, name: str, value: int) -> None:
        self._in.put(name.encode(), COUNT.pack(value), db=self._tables.figures)

    def is_kept(self, kind: Kind, key: bytes, kept_for: KeptFor) -> bool:
        """Is it written down already that the record is kept for all these documents?"""
        cursor, name = self._in.cursor(self._tables.kept), (FOR_ALL if kept_for.jointly else FOR_ONE) + record(kind, key)
        return all(cursor.set_key_dup(document, name) for document in kept_for.documents)

    def keep(self, kind: Kind, key: bytes, kept_for: KeptFor) -> None:
        """The record is kept for these documents, whether it is there yet or not."""
        name, mark = record(kind, key), FOR_ALL if kept_for.jointly else FOR_ONE
        fresh = sum(self._in.put(document, mark + name, dupdata=False, db=self._tables.kept) for document in kept_for.documents)
        if fresh and not kept_for.jointly:
            self._in.put(name, COUNT.pack(self.keepers(name) + fresh), db=self._tables.keepers)

    def release(self, document: bytes) -> list[tuple[Kind, bytes]]:
        """Nothing is kept for this document any more; returns the records that are to go for that."""
        cursor = self._in.cursor(self._tables.kept)
        names = [bytes(name) for name in cursor.iternext_dup()] if cursor.set_key(document) else []
        self._in.delete(document, db=self._tables.kept)
        return [(KINDS[name[1]], name[2:]) for name in names if name[:1] == FOR_ALL or self._last_released(name[1:])]

    def _last_released(self, name: bytes) -> bool:
        left = self.keepers(name) - 1
        if left > 0:
            self._in.put(name, COUNT.pack(left), db=self._tables.keepers)
        else:
            self._in.delete(name, db=self._tables.keepers)
        return left <= 0

    def kept(self, document: bytes) -> Iterator[tuple[bytes, bool]]:
        """The names of the records kept for this document, and of each whether it is for others jointly."""
        cursor = self._in.cursor(self._tables.kept)
        for name in cursor.iternext_dup() if cursor.set_key(document) else ():
            yield bytes(name[1:]), bytes(name[:1]) == FOR_ALL

    def size_of(self, name: bytes) -> int:
        """Bytes of the record of this name, 0 if it is not there."""
        row = self._in.get(name, db=self._tables.rows)
        return 0 if row is None else int(ROW.unpack(row)[1])

    def keepers(self, name: bytes) -> int:
        """How many documents keep the record of this name, each for itself."""
        row = self._in.get(name, db=self._tables.keepers)
        return 0 if row is None else COUNT.unpack(row)[0]

    def _forget_row(self, kind: Kind, key: bytes) -> int:
        row = self._in.pop(record(kind, key), db=self._tables.rows)
        if row is None:
            return 0
        before, size = ROW.unpack(row)
        self._in.delete(self._place(kind, key, before), db=self._tables.order)
        self._add(kind, -size, -1)
        return int(size)

    def _note(self, kind: Kind, key: bytes, moment: int, size: int) -> None:
        self._in.put(record(kind, key), ROW.pack(moment, size), db=self._tables.rows)
        self._in.put(self._place(kind, key, moment), b"", db=self._tables.order)

    def _place(self, kind: Kind, key: bytes, moment: int) -> bytes:
        return record(kind, MOMENT.pack(moment) + key)

    def _add(self, kind: Kind, size: int, records: int) -> None:
        total = self.total(kind)
        self._in.put(kind.encode(), TOTAL.pack(total.bytes + size, total.records + records), db=self._tables.figures)
