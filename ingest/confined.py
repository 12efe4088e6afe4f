"""A process that handles somebody's file: what it may take of the machine, and how little it is told of it. Starts none itself."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from ingest.limits import Cost

CHECKOUT = Path(__file__).resolve().parents[1]
# What a Python needs to find itself and its libraries. Nothing of Longread's settings is among it: they hold passwords and keys.
_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")
_CPU_GRACE_SECONDS = 2
# ONNX Runtime's wheels keep an id of the machine and tell their maker of every model that is opened, unless this stands there first.
NOTHING_SAID = {"ORT_DISABLE_TELEMETRY": "1"}


def confine(cost: Cost) -> None:
    """Limits this process, for good. Past its memory an allocation fails, past its processor time it gets SIGXCPU, past its bytes a
    write fails with EFBIG. Wall time is for whoever started it to watch."""
    _limit(resource.RLIMIT_AS, cost.memory_bytes)
    _limit(resource.RLIMIT_FSIZE, cost.written_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    # Where both limits of processor time are the same Linux sends SIGKILL, which does not say why.
    resource.setrlimit(resource.RLIMIT_CPU, (cost.cpu_seconds, cost.cpu_seconds + _CPU_GRACE_SECONDS))


def _limit(kind: int, most: int) -> None:
    resource.setrlimit(kind, (most, most))


def environment() -> dict[str, str]:
    """The variables of such a process. One thread: more would only wait for each other, and a process that forks must have no other."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | NOTHING_SAID
