"""How much processor time each part of a running Longread has used. Reads /proc; where there is none, it tells nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
# A part, by words of its command line that no other has.
PARTS = {"web": "uvicorn", "engine": "-Q engine", "ingest": "-Q ingest", "broker": "valkey-server"}


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    command: str
    seconds: float


def part_seconds(root: int) -> dict[str, float]:
    """Seconds of each of PARTS under the process `root`; what a part has started, and what of that has ended, counts as the part's."""
    table = _table()
    seconds = dict.fromkeys(PARTS, 0.0) if table else {}
    for id, process in table.items():
        if (part := _part(id, root, table)) is not None:
            seconds[part] += process.seconds
    return seconds


def _part(id: int, root: int, table: Mapping[int, _Process]) -> str | None:
    """The part that the process belongs to: the uppermost of its parents below the root says it."""
    while id in table and table[id].parent != root:
        id = table[id].parent
    if id not in table:
        return None
    return next((part for part, words in PARTS.items() if words in table[id].command), None)


def _table() -> dict[int, _Process]:
    found = {}
    for folder in PROC.glob("[0-9]*") if PROC.is_dir() else ():
        try:
            fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # ended meanwhile
        ticks = sum(int(field) for field in fields[11:15])  # user, system, and of children that have ended both
        found[int(folder.name)] = _Process(int(fields[1]), command, ticks / os.sysconf("SC_CLK_TCK"))
    return found
