"""Parsing in a process of its own: asks ingest.forking, passes its progress on, and says in a sentence what ended it.

Whatever a file does there, the process that asked goes on: it waits with a limit, looks at its own Report while it waits, and ends the
other one when that raises. One file at a time; the other process is started with the first file and stays for the next.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

from ingest.confined import CHECKOUT, environment
from ingest.errors import FileRefused, IngestError, LimitExceeded, PasswordNeeded
from ingest.limit_settings import exceeded, megabytes
from ingest.limits import Cost, Limits
from ingest.model import Kind
from ingest.parsing import Parsed
from ingest.progress import OCR_STAGE, Progress, Report
from ingest.storage import ParsedFiles

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5  # so soon a cancelled job ends, however silent its file is
_MESSAGE_BYTES = 1_000_000  # notes and tracebacks are far shorter
_ANEW = "Open it in the program that made it, save it as a new file, then upload that."
_SMALLER = "It is damaged, or holds more than it shows: save it as a new file, split it into parts"

_REFUSALS: dict[str, type[IngestError]] = {kind.__name__: kind for kind in (FileRefused, LimitExceeded, PasswordNeeded)}
_KILLED = "The process that read this file was killed, as a machine does that has no memory left. Try again; if it stays, ask the operator."


class ParsingProcess:
    """Parses files one after the other in processes that `module` forks. Safe to share between threads and forks of this process."""

    def __init__(self, module: str = "ingest.forking") -> None:
        self._module = module
        self._lock = Lock()
        self._running: _Running | None = None
        self.peak_bytes = 0  # the most memory that a file's own process held

    def parse(self, source: Path, label: str, into: ParsedFiles, limits: Limits, report: Report) -> Parsed:
        """Parses `source` into the existing folder of `into`. Raises FileRefused or LimitExceeded, and whatever `report` raises; what
        was written until then is the caller's to remove."""
        request = {"source": str(source), "label": label, "into": str(into.folder), "limits": asdict(limits)}
        with self._lock:
            running = self._started()
            try:
                said = running.ask(request, limits, report)
            except BaseException:
                self._end()
                raise
            self.peak_bytes = max(self.peak_bytes, said.get("peak_bytes", 0))
        return _parsed(said, limits.parsing, label)

    def close(self) -> None:
        """Ends the other process, if there is one; the next file starts another."""
        with self._lock:
            self._end()

    def _started(self) -> _Running:
        if self._running is not None and self._running.is_ours:
            return self._running
        self._running = _Running.start(self._module)
        return self._running

    def _end(self) -> None:
        if self._running is not None:
            self._running.end()
        self._running = None


PARSING = ParsingProcess()
"""The one of this process. It ends with it: its input ends then."""


@dataclass(slots=True)
class _Running:
    """A started process. `asker` is who started it: after a fork its pipes are not ours to use."""

    process: subprocess.Popen[bytes]
    asker: int
    unread: bytearray = field(default_factory=bytearray)

    @classmethod
    def start(cls, module: str) -> _Running:
        command = [sys.executable, "-m", module]
        process = subprocess.Popen(  # noqa: S603 -- our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT, env=environment(), start_new_session=True
        )
        return cls(process, os.getpid())

    @property
    def is_ours(self) -> bool:
        return self.asker == os.getpid() and self.process.poll() is None

    def end(self) -> None:
        """With its fork, at once: they are a session of their own."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def ask(self, request: dict[str, Any], limits: Limits, report: Report) -> dict[str, Any]:
        """All that was said of one file, but its progress, as one object. Each page that is read by OCR has its own time."""
        cost, read_by_ocr = limits.parsing, 0
        deadline = time.monotonic() + cost.wall_seconds
        last = Progress("opening the file", 0, 1, "files")
        said: dict[str, Any] = {}
        self._send(request)
        while "ended" not in said:
            message = self._message()
            if message is not None and "stage" in message:
                last = Progress(**message)
                if last.stage == OCR_STAGE and read_by_ocr < limits.pages:
                    read_by_ocr += 1
                    deadline += limits.ocr_seconds
            elif message is not None:
                said |= message
                continue
            if time.monotonic() > deadline:
                raise _past("wall_seconds", _time(cost.wall_seconds), last)
            report(last)
        return said | {"at": last}

    def _send(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def _message(self) -> dict[str, Any] | None:
        """The next one, or None after a while without."""
        while (end := self.unread.find(b"\n")) < 0:
            assert self.process.stdout is not None
            if len(self.unread) > _MESSAGE_BYTES:
                raise FileRefused(f"This file made its reader answer with nonsense. {_ANEW}")
            if select.select([self.process.stdout], [], [], _LOOK_SECONDS)[0]:
                self.unread += os.read(self.process.stdout.fileno(), 1 << 16) or self._gone()
            elif self.process.poll() is None:
                return None
            else:  # its fork may still hold the pipe open
                self._gone()
        line = bytes(self.unread[:end])
        del self.unread[: end + 1]
        return _object(line)

    def _gone(self) -> NoReturn:
        code = self.process.wait()
        if code == -signal.SIGKILL:
            raise FileRefused(_KILLED)
        raise RuntimeError(f"The process that parses ended with status {code}; it said why in the worker's log.")


def _object(line: bytes) -> dict[str, Any]:
    """A line as an object; an empty one for the rest of a line whose writer was ended."""
    try:
        found = json.loads(line or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _parsed(said: dict[str, Any], cost: Cost, label: str) -> Parsed:
    if "kind" in said:
        return Parsed(Kind(said["kind"]), tuple(said["notes"]))
    if "traceback" in said:
        logger.warning("The parser broke on %s:\n%s", label, said["traceback"])
    raise _refusal(said, cost)


def _refusal(said: dict[str, Any], cost: Cost) -> IngestError:
    if "refused" in said:
        return _REFUSALS.get(said["refused"], FileRefused)(said["message"])
    if "broke" in said:
        return FileRefused(f"This file cannot be read: it is damaged, or holds what nobody foresaw ({said['broke']}). {_ANEW}")
    if said.get("past") == "memory":
        return _past("memory_bytes", f"{megabytes(cost.memory_bytes)} of memory", said["at"])
    if said.get("past") == "bytes":
        return _past("written_bytes", f"{megabytes(cost.written_bytes)} for its text and its places", said["at"])
    if said["ended"] == signal.SIGXCPU:
        return _past("cpu_seconds", f"{_time(cost.cpu_seconds)} of processor time", said["at"])
    if said["ended"] == signal.SIGKILL:
        return FileRefused(_KILLED)
    return FileRefused(f"This file makes its reader crash ({_name(said['ended'])}): it is damaged, or made to do so. {_ANEW}")


def _past(limit: str, most: str, at: Progress) -> LimitExceeded:
    """How much more it would have taken nobody knows; how far it was tells."""
    return exceeded(f"Reading this file takes more than {most}, the most, and was stopped {_where(at)}.", _SMALLER, f"parsing.{limit}")


def _where(at: Progress) -> str:
    return f"at {at.done:,} of {at.total:,} {at.unit}" if at.done and at.total else f"after {at.done:,} {at.unit}" if at.done else "at once"


def _time(seconds: int) -> str:
    return f"{seconds / 60:,.0f} minutes" if seconds >= 120 else f"{seconds:,} seconds" if seconds != 1 else "1 second"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
