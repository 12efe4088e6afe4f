"""The process that parses (`python -m ingest.forking`): it has the parsers loaded and forks itself for each file.

A fork takes milliseconds where a new Python takes half a second, and each file still has a process of its own: it dies with its file, under
limits, and leaves nothing for the next one. ingest.apart is the other side. One JSON object a line, in both directions:

    in     {"source", "label", "into", "limits"}
    out    {"stage", "done", "total", "unit"}       any number of times
           {"kind", "notes"}                        it is written
           {"refused", "message"}                   an IngestError, by name
           {"past": "memory" | "bytes"}             a limit of this process
           {"broke", "traceback"}                   a parser did not foresee this
           {"ended", "peak_bytes"}                  always the last: the signal that ended it, or 0

The input's end is the asker's: a process that still reads for it is killed. Single-threaded, because it forks.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import select
import signal
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ingest.confined import confine
from ingest.errors import IngestError
from ingest.limit_settings import limits_of
from ingest.parsers.registry import choose_parser
from ingest.parsing import Choose, parse_file
from ingest.storage import ParsedFiles

_TRACEBACK_CHARS = 20_000


def serve(choose: Choose) -> None:
    """Parses what is asked for on standard input, a file at a time, until that ends. Standard output is for the answers alone."""
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    gc.freeze()  # what is loaded stays shared with the forks
    while line := sys.stdin.buffer.readline():
        _fork(json.loads(line), answers, choose)


def _fork(request: dict[str, Any], answers: int, choose: Choose) -> None:
    alive, kept = os.pipe()  # `kept` closes with the fork, whatever ends it
    pid = os.fork()
    if pid == 0:
        try:
            os.close(alive)
            _be_quiet()
            _parse(request, answers, choose)
        finally:
            os._exit(0)
    os.close(kept)
    ready, _, _ = select.select([alive, sys.stdin], [], [])
    os.close(alive)
    if alive not in ready:
        os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    _answer(answers, {"ended": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, "peak_bytes": usage.ru_maxrss * 1024})


def _be_quiet() -> None:
    """Libraries write what they think of a file; a file could fill a disk with it. And nobody is to be asked anything."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _parse(request: dict[str, Any], answers: int, choose: Choose) -> None:
    try:
        limits = limits_of(request["limits"])
        confine(limits.parsing)
        into = ParsedFiles(Path(request["into"]))
        parsed = parse_file(Path(request["source"]), request["label"], into, limits, lambda done: _answer(answers, asdict(done)), choose)
        said: dict[str, Any] = {"kind": parsed.kind.value, "notes": parsed.notes}
    except IngestError as error:
        said = {"refused": type(error).__name__, "message": str(error)}
    except MemoryError:
        said = {"past": "memory"}
    except BaseException as error:
        too_much = isinstance(error, OSError) and error.errno == errno.EFBIG
        said = {"past": "bytes"} if too_much else {"broke": type(error).__name__, "traceback": traceback.format_exc()[-_TRACEBACK_CHARS:]}
    _answer(answers, said)


def _answer(answers: int, said: dict[str, Any]) -> None:
    """Begins with a line break, for whoever wrote before may have been ended in the middle of a line."""
    line = memoryview(f"\n{json.dumps(said)}\n".encode())
    while line:
        line = line[os.write(answers, line) :]


if __name__ == "__main__":
    serve(choose_parser)
