"""A measurement in a fresh process, so that its peak memory, its threads and its caches are nobody else's.

The process is `python -m MODULE`: one JSON object on its stdin, one line of JSON on its stdout, all else that it prints on its stderr.
Knows no engine. Imports no torch.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STATUS = Path("/proc/self/status")

Request = dict[str, Any]
Figures = dict[str, float]


class BenchFailed(Exception):
    """A measurement did not come about; `str(error)` says which and why."""


def measured(module: str, request: Mapping[str, Any], without: Collection[str] = ()) -> Figures:
    """What `python -m module` answers to the request, in an environment without those variables. Raises BenchFailed with its last words."""
    environment = {name: value for name, value in os.environ.items() if name not in without}
    command = [sys.executable, "-m", module]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, cwd=ROOT, env=environment, check=False)  # noqa: S603
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BenchFailed(f"{module} ended with {done.returncode}: {last}")
    answered: Figures = json.loads(done.stdout)
    return answered


def answer(measure: Callable[[Request], Figures]) -> None:
    """The process's side: read the request, measure, write the figures and the process's `peak_mb`."""
    request = json.load(sys.stdin)
    line = os.dup(1)
    os.dup2(2, 1)  # libraries print what they like
    figures = measure(request)
    with os.fdopen(line, "w", encoding="utf-8") as stdout:
        print(json.dumps(figures | {"peak_mb": peak_mb()}), file=stdout)


def peak_mb() -> float:
    """The most memory that this process held so far, in MB.

    On Linux from its status: ru_maxrss of a fresh process begins with what its parent held when it was started.
    """
    if STATUS.is_file():
        line = next(line for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    unit = 1 << 20 if sys.platform == "darwin" else 1024  # bytes there, KB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
