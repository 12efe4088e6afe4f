"""What a store's file holds, in figures: as the process sees it that has it open, or another one beside it. Knows no values."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import lmdb

from engine.cache.folder import Opened, existing, reserve
from engine.cache.ledger import KINDS, Kind, Ledger, Tables, Total
from engine.errors import EngineError

MOST_TABLES = 16
BUDGET = "budget"  # the figure under which a store writes its budget down


@dataclass(frozen=True, slots=True)
class StoreStats:
    """`file_bytes` is what the file takes on disk, of which `free_bytes` hold nothing. `oldest_use`: seconds since 1970, None while the
    store is empty. A hit or miss is one record asked for."""

    kinds: Mapping[Kind, Total]
    budget_bytes: int
    file_bytes: int
    free_bytes: int
    hits: int
    misses: int
    evictions: int
    oldest_use: float | None

    @property
    def bytes(self) -> int:
        """Of all values."""
        return sum(total.bytes for total in self.kinds.values())

    @property
    def chunks(self) -> int:
        """Runs whose state is stored."""
        return self.kinds["state"].records


def read_stats(env: lmdb.Environment, tables: Tables) -> StoreStats:
    """As of what is written down. Raises lmdb.Error."""
    with env.begin() as transaction:
        ledger, page = Ledger(tables, transaction), env.stat()["psize"]
        oldest = ledger.oldest()
        return StoreStats(
            {kind: ledger.total(kind) for kind in KINDS},
            ledger.count(BUDGET),
            file_bytes=(env.info()["last_pgno"] + 1) * page,
            free_bytes=free_pages(env, tables) * page,
            hits=ledger.count("hits"),
            misses=ledger.count("misses"),
            evictions=ledger.count("evictions"),
            oldest_use=None if oldest is None else oldest / 1e9,
        )


def stats_beside(folder: Path) -> StoreStats:
    """Of the store in this folder, whoever has it open. Raises EngineError where none is or it cannot be read."""
    file = existing(folder)
    try:
        reserve(folder)
        with closing(Opened(folder)), lmdb.open(str(file), subdir=False, readonly=True, map_size=0, max_dbs=MOST_TABLES) as env:
            return read_stats(env, Tables.of(env, create=False))
    except (lmdb.Error, OSError) as error:
        raise EngineError(
            f"The store in {folder} cannot be read: {error}. If that stays so, delete the folder; it is made again."
        ) from error


def free_pages(env: lmdb.Environment, tables: Tables) -> int:
    """Of the file, about so many hold nothing."""
    with env.begin() as transaction:
        stats = [transaction.stat(table) for table in tables.all()]
    used = sum(each["branch_pages"] + each["leaf_pages"] + each["overflow_pages"] for each in [*stats, env.stat()])
    # The first two pages are LMDB's own; its list of free ones counts among them here.
    return max(0, int(env.info()["last_pgno"]) - 1 - used)
