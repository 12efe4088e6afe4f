"""Several measurements, each in a fresh process, one after the other and all of them twice, so that a slow minute hits none alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.process import Figures, Request, measured

TURNS = 2
# `./run` sets these for our own engine's sake. A peer has one turn with them and one without, as its own users start it.
OURS_ALONE = ("GOMP_SPINCOUNT",)
PEAK = "peak_mb"


@dataclass(frozen=True, slots=True)
class Run:
    module: str
    request: Request
    peer: bool = False


def in_turns(runs: Mapping[str, Run]) -> dict[str, Figures]:
    """The best figures of each run, by the same names. Raises BenchFailed."""
    found: dict[str, list[Figures]] = {name: [] for name in runs}
    for turn in range(TURNS):
        for name, run in runs.items():
            print(f"turn {turn + 1} of {TURNS}: {name}", file=sys.stderr)
            found[name].append(measured(run.module, run.request, OURS_ALONE if run.peer and turn else ()))
    return {name: best(turns) for name, turns in found.items()}


def best(turns: Iterable[Figures]) -> Figures:
    """The largest of each rate, and the least peak of memory."""
    first, *others = turns
    return {name: (min if name == PEAK else max)([value, *(other[name] for other in others)]) for name, value in first.items()}
