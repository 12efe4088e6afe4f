"""Do the pages stay quick while the engine is busy? Fifty people browse and eight answers stream at once, on the set-up that `./run`
starts; beside it, as the peer, the same browsing with the engine idle.

Longread runs as `./run` starts it, over an office that was made before (bench.office): its database is a copy, so that each run begins the
same. The people are one process (bench.browsing) that shares the cores with what it measures. In the phase `first_look` no page has been
drawn ahead and nobody has ever looked at one, as in the first seconds after an upload, so every page image has to be drawn; in the others
all are there.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.office import SESSIONS_EACH, Kept, furnished
from bench.people import PAGES, picture
from bench.process import BenchFailed, Figures, measured
from bench.processor import part_seconds
from bench.row import Measured, Row
from bench.session import Session
from tests.processes import Longread

BROWSING, OPERATORS, ASKING = 48, 2, 8
# The mean pause of TPC-W's shoppers; and somebody in a hurry, three times as quick.
PAUSE_SECONDS = 7.0
HURRIED_SECONDS = 7.0 / 3
# The first pages of a phase find everything cold, and no stream has begun.
WARM_SECONDS = 8.0
# LONGREAD_BENCH_LOAD_SECONDS says how long each phase is looked at.
SECONDS = 60.0
DATABASE = "longread.sqlite3"


@dataclass(frozen=True, slots=True)
class Phase:
    """What the people do: how long they pause, how many of them wait for answers all the time, and whether they are the first who look at
    the pages, whose pictures are then to be drawn."""

    pause_seconds: float = PAUSE_SECONDS
    asking: int = ASKING
    first_look: bool = False


PHASES = {
    "idle": Phase(asking=0),
    "busy": Phase(),
    "hurried": Phase(HURRIED_SECONDS),
    "first_look": Phase(first_look=True),
}


def run() -> Measured:
    """All phases, in about five minutes; before the first time, some minutes to make the office."""
    kept = furnished()
    with tempfile.TemporaryDirectory(prefix="longread-bench-") as folder:
        _copied(kept.home / DATABASE, Path(folder) / DATABASE)
        longread = Longread(kept.home, {"DATABASE_URL": f"sqlite:///{folder}/{DATABASE}"})
        longread.start()
        try:
            asyncio.run(_looked_at(longread.port, kept))
            found = {name: phased(longread, kept, phase, Path(folder)) for name, phase in PHASES.items()}
        finally:
            longread.stop()
    return told(found)


def _copied(source: Path, target: Path) -> None:
    """A whole copy, of what is still in its log too."""
    with closing(sqlite3.connect(source)) as kept, closing(sqlite3.connect(target)) as copy:
        kept.backup(copy)


async def _looked_at(port: int, kept: Kept) -> None:
    """Every page once, so that its picture is there."""
    session = Session(port, kept.browsers[0])
    for document, pages in kept.office.documents:
        for page in range(1, pages + 1):
            await session.get(picture(document, page))
    await session.close()


def phased(longread: Longread, kept: Kept, phase: Phase, folder: Path) -> Figures:
    """What the people found, with each part's share of all cores."""
    print(f"load: {BROWSING + OPERATORS} people look around, and {phase.asking} wait for answers", file=sys.stderr)
    assert longread.process
    if phase.first_look:
        for images in kept.home.glob("documents/*/images"):
            shutil.rmtree(images)
    operator, others = kept.browsers[:SESSIONS_EACH], kept.browsers[SESSIONS_EACH:]
    request = {
        "port": longread.port,
        "office": {field: getattr(kept.office, field) for field in type(kept.office).__dataclass_fields__},
        "browsing": others[:BROWSING],
        "operators": operator[:OPERATORS],
        "asking": (others[BROWSING:] + operator[OPERATORS:])[: phase.asking],
        "pause_seconds": phase.pause_seconds,
        "warm_seconds": WARM_SECONDS,
        "seconds": float(os.environ.get("LONGREAD_BENCH_LOAD_SECONDS") or SECONDS),
        "seed": 5,
        "database": str(folder / DATABASE),
        "lost": str(folder / "lost"),
    }
    before, began = part_seconds(longread.process.pid), time.monotonic()
    figures = measured("bench.browsing", request)
    core_seconds = (time.monotonic() - began) * (os.cpu_count() or 1)
    after = part_seconds(longread.process.pid)
    print((folder / "lost").read_text(encoding="utf-8"), end="", file=sys.stderr)
    shares = {f"cores.{part}": (after[part] - seconds) / core_seconds for part, seconds in before.items() if part in after}
    return figures | shares | {"cores.client": figures.pop("client.cpu_s") / core_seconds}


def told(found: Mapping[str, Figures]) -> Measured:
    """Rows of the phases that have answers, each beside the same browsing without."""
    busy, idle = found["busy"], found["idle"]
    figures = {f"{phase}.{name}": value for phase, of_phase in found.items() for name, value in of_phase.items()}
    figures["busy_over_idle_p95"] = busy["pages.p95_ms"] / idle["pages.p95_ms"]
    rows = [_beside(f"pages, {percentile}", "busy", "idle", f"pages.{percentile}_ms", found) for percentile in ("p50", "p95", "p99")]
    kinds = [kind for kind in (*sorted(PAGES), "page image", "static file") if f"pages.{kind}.p95_ms" in busy]
    rows += [_beside(f"{kind}, p95", "busy", "idle", f"pages.{kind}.p95_ms", found) for kind in kinds]
    rows += [_beside("pages, p95, three times as quick", "hurried", "idle", "pages.p95_ms", found)]
    rows += [_beside("pages, p95, nobody has looked before", "first_look", "idle", "pages.p95_ms", found)]
    rows += [_beside("page image, p95, nobody has looked before", "first_look", "idle", "pages.page image.p95_ms", found)]
    rows += [Row(f"{name}, {phase}", found[phase][key], unit) for phase in ("busy", "hurried", "first_look") for name, key, unit in _RATES]
    return Measured(rows, figures)


_RATES = (
    ("requests", "requests_per_s", "requests/s"),
    ("tokens read for answers", "engine.read_tokens_per_s", "tokens/s"),
    ("streams begun", "streams.begun", "streams"),
    ("streams lost", "streams.lost", "streams"),
    ("first token, p50", "streams.first_token_p50_s", "s"),
    ("first token, p95", "streams.first_token_p95_s", "s"),
    ("the people's share of the cores", "cores.client", ""),
    ("their timers' lateness, p95", "client.late_p95_ms", "ms"),
)


def _beside(name: str, ours: str, peer: str, figure: str, found: Mapping[str, Figures]) -> Row:
    if figure not in found[ours]:
        raise BenchFailed(f"nobody looked at {name.partition(',')[0]!r}: measure for longer")
    return Row(name, found[ours][figure], "ms", "unhurried, engine idle", found[peer].get(figure))
