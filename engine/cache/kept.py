"""What a store keeps for the sake of some documents, in bytes, and what would go with them: read beside whoever has it open.

Knows no values. Imports no torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import lmdb

from engine.cache.folder import Opened, existing
from engine.cache.ledger import Ledger, Tables
from engine.cache.stats import MOST_TABLES
from engine.errors import EngineError

# LMDB opens a file once in a process.
_one_at_a_time = Lock()


@dataclass(frozen=True, slots=True)
class Kept:
    """`bytes` of all records kept for these documents, each counted once; `freed_bytes` of those that no other document keeps."""

    bytes: int = 0
    freed_bytes: int = 0


def kept_beside(folder: Path, documents: Iterable[bytes]) -> Kept:
    """Of the store in this folder, for documents by their hashes (engine.cache.keys.document_key). Nothing where there is no store yet.

    Raises EngineError where it cannot be read, as where this process has it open itself.
    """
    try:
        file = existing(folder)
    except EngineError:
        return Kept()
    try:
        with _one_at_a_time, closing(Opened(folder)), _opened(file) as env:
            tables = Tables.of(env, create=False)
            with env.begin() as transaction:
                return _count(Ledger(tables, transaction), documents)
    except (lmdb.Error, OSError) as error:
        raise EngineError(f"The store in {folder} cannot be read: {error}.") from error


def _opened(file: Path) -> lmdb.Environment:
    return lmdb.open(str(file), subdir=False, readonly=True, map_size=0, max_dbs=MOST_TABLES)


def _count(ledger: Ledger, documents: Iterable[bytes]) -> Kept:
    times: Counter[bytes] = Counter()
    joint: set[bytes] = set()
    for document in documents:
        for name, jointly in ledger.kept(document):
            times[name] += 1
            if jointly:
                joint.add(name)
    total = freed = 0
    for name, count in times.items():
        size = ledger.size_of(name)
        total += size
        freed += size if name in joint or ledger.keepers(name) <= count else 0
    return Kept(total, freed)
