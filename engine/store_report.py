"""What a store's folder holds, for people: `python -m engine store stats|compact FOLDER`. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from engine.cache.compaction import compact
from engine.cache.stats import StoreStats, stats_beside
from engine.inspection import size


def stats_lines(folder: Path) -> Iterator[str]:
    """Raises EngineError where no store is."""
    return lines(stats_beside(folder))


def compact_lines(folder: Path) -> Iterator[str]:
    """Compacts; says what came of it. Raises EngineError where no store is or somebody has it open."""
    before, after = compact(folder)
    yield f"{size(before)} before, {size(after)} now"


def lines(stats: StoreStats) -> Iterator[str]:
    """A figure a line."""
    for kind, total in stats.kinds.items():
        yield f"{kind}: {total.records:,} records, {size(total.bytes)}"
    share = f", {stats.bytes / stats.budget_bytes:.0%} of the budget of {size(stats.budget_bytes)}" if stats.budget_bytes else ""
    yield f"all: {size(stats.bytes)}{share}"
    yield f"file: {size(stats.file_bytes)}, of which {size(stats.free_bytes)} are free"
    yield f"asked for: {stats.hits:,} found, {stats.misses:,} not; {stats.evictions:,} had to go for others"
    yield f"longest unused: since {moment(stats.oldest_use)}"


def moment(seconds: float | None) -> str:
    return "never" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
