"""Pages whose text does not say what they show, read from their pictures: in processes of their own, some at once, in the pages' order.

Asked for a page, a process draws it and reads it (ingest.ocr). One that ends, or is silent for too long, is started again, and its page
tried once more; a page that ends two is left unread, and the others go on. Imports no OCR.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ingest.confined import CHECKOUT, environment
from ingest.errors import FileRefused
from ingest.language import language_of
from ingest.legible import is_garbled, letters
from ingest.limits import Limits
from ingest.model import ParsedPage, Reading, Word
from ingest.page_lines import PageLines, page_lines, turned_back
from ingest.parsers.hyphens import Hyphens
from ingest.parsers.lines import Line, assemble

_Said = dict[str, Any]
"""A message of ingest.ocr; empty where there is none."""

_DAMAGED = "This file is damaged: none of its pages can be opened. Save it as a new file, then upload that."
_ANSWER_BYTES = 4_000_000  # the longest page has 20,000 characters
_AHEAD = 4  # pages a process: so many wait for the one before them
_SURE, _HALF_SURE = 0.95, 0.8  # mean confidence, below which some and many words are wrong (chosen by looking at some twenty pages)
_MORE = 1.5  # times the letters that the file itself has, to be taken in their place


def read_scans(pages: Iterable[ParsedPage], source: Path, limits: Limits) -> Iterator[ParsedPage]:
    """The pages, those that want OCR with what it says of them. Nothing is started where none does, or where OCR is off.

    Raises FileRefused if OCR finds every page damaged.
    """
    hyphens, readable = Hyphens(), False
    with _Readers(source, limits) as readers:
        for page, said in _in_order(pages, readers):
            answered = page if said is None else _answered(page, said, hyphens)
            readable = readable or answered is page or answered.width > 0
            yield answered
    if not readable:
        raise FileRefused(_DAMAGED)


def _in_order(pages: Iterable[ParsedPage], readers: _Readers) -> Iterator[tuple[ParsedPage, _Said | None]]:
    """Each page with what OCR says of it; None for one that was not asked about."""
    waiting: deque[tuple[ParsedPage, Future[_Said] | None]] = deque()
    for page in pages:
        waiting.append((page, readers.ask(page.number) if page.wants_ocr else None))
        while waiting and (len(waiting) > readers.ahead or _is_done(waiting[0][1])):
            yield _waited(*waiting.popleft())
    while waiting:
        yield _waited(*waiting.popleft())


def _is_done(asked: Future[_Said] | None) -> bool:
    return asked is None or asked.done()


def _waited(page: ParsedPage, asked: Future[_Said] | None) -> tuple[ParsedPage, _Said | None]:
    return page, None if asked is None else asked.result()


def _answered(page: ParsedPage, said: _Said, hyphens: Hyphens) -> ParsedPage:
    if "damaged" in said:
        return ParsedPage(page.number, "")
    try:
        return _with_text(page, page_lines(said), hyphens)
    except (KeyError, TypeError, ValueError):  # no process said anything of it, or OCR is off
        return replace(page, reading=Reading.UNREAD)


def _with_text(page: ParsedPage, read: PageLines, hyphens: Hyphens) -> ParsedPage:
    """The page with what was read of it, unless the file itself says as much."""
    text, words = assemble(_lines(read), hyphens)
    own = 0 if is_garbled(page.text) else letters(page.text)
    if letters(text) < _MORE * own or not letters(text):
        return page
    words = tuple(Word(word.start, word.end, turned_back(word.box, read.turn)) for word in words)
    return replace(page, text=text, words=words, reading=_reading(read.confidence), confidence=read.confidence, language=language_of(text))


def _lines(read: PageLines) -> list[Line]:
    """A hyphen at a line's end is inside a word where the next line goes on with a small letter."""
    following = [*(line.text for line in read.lines[1:]), ""]
    return [
        Line(line.text, line.words, line.text[-2:-1].isalpha() and line.text.endswith("-") and after[:1].islower())
        for line, after in zip(read.lines, following, strict=False)  # an empty page has no line, and nothing after it
    ]


def _reading(confidence: float) -> Reading:
    if confidence >= _SURE:
        return Reading.OCR
    return Reading.UNCERTAIN if confidence >= _HALF_SURE else Reading.POOR


class _Readers:
    """Processes that read pages of one file, each asked by a thread of this one."""

    def __init__(self, source: Path, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._threads = ThreadPoolExecutor(max(1, limits.ocr_processes))
        self._all: list[_Reader] = []
        self._idle: SimpleQueue[_Reader] = SimpleQueue()

    def __enter__(self) -> _Readers:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._all:
            reader.stop()
        self._threads.shutdown(cancel_futures=True)
        for reader in self._all:
            reader.end()

    @property
    def ahead(self) -> int:
        """How many pages may wait for the one before them."""
        return _AHEAD * self._limits.ocr_processes

    def ask(self, page: int) -> Future[_Said]:
        """What will be said of the page: nothing where nobody can tell."""
        return self._threads.submit(self._said, page)

    def _said(self, page: int) -> _Said:
        if self._limits.ocr_processes == 0:
            return {}
        reader = self._reader()
        try:
            return reader.ask(page) or reader.ask(page) or {}
        finally:
            self._idle.put(reader)

    def _reader(self) -> _Reader:
        try:
            return self._idle.get_nowait()
        except Empty:
            self._all.append(_Reader(self._source, self._limits))
            return self._all[-1]


@dataclass(slots=True)
class _Reader:
    """One process at a time. Its limits are those of whoever started it, and each page's."""

    source: Path
    limits: Limits
    process: subprocess.Popen[bytes] | None = None
    stopped: bool = False

    def ask(self, page: int) -> _Said | None:
        """What the process says of a page; None if it ended, or was ended, without a word."""
        if self.stopped:
            return None
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.write(json.dumps({"page": page}).encode() + b"\n")
            process.stdin.flush()
        deadline = time.monotonic() + self.limits.ocr_seconds
        said = bytearray()
        while not said.endswith(b"\n"):
            left = deadline - time.monotonic()
            ready = left > 0 and len(said) < _ANSWER_BYTES and select.select([process.stdout], [], [], left)[0]
            more = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
            if not more:
                self.end()
                return None
            said += more
        return _object(bytes(said))

    def stop(self) -> None:
        """For another thread than the one that asks, which is then told nothing."""
        self.stopped = True
        if self.process is not None:
            self.process.kill()

    def end(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.process.poll() is not None:
            self.end()
            numbers = (self.limits.picture_pixels, self.limits.ocr_cpu_seconds)
            command = [sys.executable, "-m", "ingest.ocr", str(self.source), *map(str, numbers)]
            self.process = subprocess.Popen(  # noqa: S603 -- our own module; a path and numbers that we made
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT, env=environment()
            )
        return self.process


def _object(said: bytes) -> _Said:
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
