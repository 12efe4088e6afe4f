"""`python -m tests.ingest.hostile`: the process that parses, with a parser that does what the file says. Files that take a parser over do
such things; here they need no hole to do them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ingest.forking import serve
from ingest.limits import Limits
from ingest.model import Kind, ParsedPage
from ingest.parsers.base import Parser, ParserContext


class Obeying:
    """Yields the file's first line, then does what the second says."""

    kind = Kind.TEXT

    def count_pages(self, source: Path, context: ParserContext) -> int:
        return 2

    def parse(self, source: Path, context: ParserContext) -> Iterator[ParsedPage]:
        first, order, *rest = source.read_text().split("\n")
        yield ParsedPage(1, first)
        yield ParsedPage(2, str(getattr(self, order)(*rest)))

    def loop(self) -> None:
        while True:
            pass

    def sleep(self) -> None:
        time.sleep(600)

    def allocate(self) -> None:
        hoard = []
        while True:
            hoard.append(bytearray(50_000_000))

    def allocate_in_c(self) -> None:
        """As a library written in C does that looks at no failure."""
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        while place := libc.malloc(50_000_000):
            ctypes.memset(place, 1, 50_000_000)
        os.abort()

    def crash(self) -> None:
        ctypes.string_at(0)

    def recurse(self) -> None:
        self.recurse()

    def say(self) -> str:
        print("x" * 10_000_000)
        print("x" * 10_000_000, file=sys.stderr)
        return "said"

    def write(self) -> None:
        with Path(f"/proc/self/fd/{os.open('.', os.O_TMPFILE | os.O_RDWR)}").open("wb") as file:
            while True:
                file.write(bytes(1_000_000))

    def talk_nonsense(self) -> None:
        for descriptor in range(3, 20):
            with suppress(OSError):
                os.write(descriptor, b"{" * 3_000_000)

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def kill_its_maker(self) -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)

    def tell_settings(self) -> str:
        return " ".join(sorted(os.environ))

    def tell_process(self) -> str:
        return f"{os.getpid()} {os.getppid()}"


def obey(source: Path, path: str, limits: Limits) -> Parser:
    return Obeying()


if __name__ == "__main__":
    serve(obey)
