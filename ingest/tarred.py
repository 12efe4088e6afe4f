"""The entries of a tar archive, plain or packed, and the one file in what is packed but no tar. Decides nothing.

`tarfile` reads the headers, out of a stream that goes forward only and gives no header more memory than headers need: what is claimed there
(names of gigabytes, tables of holes, sizes below nought) cannot take more.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from functools import partial
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ingest.errors import FileRefused
from ingest.inflating import inflated
from ingest.limits import Limits
from ingest.packed import LINK, NO_FILE, Entry, Open
from ingest.parsers.sniff import HEAD_BYTES, is_tar
from ingest.skipping import Reason, Skipped

_HEADER_BYTES = 64_000  # of one entry: the longest names have some thousand, and the time that some headers take grows by its square
_DAMAGED = "This tar archive is damaged, and its entries cannot be told. Pack it again, then upload the new archive."
_BROKEN = (tarfile.TarError, ValueError, OverflowError, IndexError, KeyError, EOFError, RecursionError)
_SPARSE = Skipped(Reason.LINK, "it is stored with holes (a sparse file)")


def tar_entries(source: Path, name: str, limits: Limits) -> Iterator[Entry]:
    """In the order of the archive. `name`, without the ending that says how it is packed, is that of a file packed alone."""
    stream = _Forward(inflated(source, limits))
    if is_tar(stream.head()):
        yield from _entries(stream)
    else:
        inner = PurePosixPath(name).with_suffix("").name or "unnamed"
        yield Entry(inner, 1, False, cast("Open", partial(_Rest, stream, 2 * limits.archive_read_bytes)))


def _entries(stream: _Forward) -> Iterator[Entry]:
    try:
        archive = tarfile.TarFile(fileobj=cast("IO[bytes]", stream))
        while info := archive.next():
            if info.size < 0:
                raise FileRefused(_DAMAGED)
            yield _entry(info, stream)
            stream.allowed = _HEADER_BYTES
            archive.members = []  # type: ignore[attr-defined]  # they, and headers for all entries, would pile up
            archive.pax_headers = {}
    except _BROKEN as error:
        raise FileRefused(_DAMAGED) from error
    if any(stream.last):  # an archive ends with nought; tarfile takes a damaged header for the end as well
        raise FileRefused(_DAMAGED)


def _entry(info: tarfile.TarInfo, stream: _Forward) -> Entry:
    name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return Entry(name, info.size, info.isdir(), cast("Open", partial(_Content, stream, info.offset_data, info.size)), _unfit(info))


def _unfit(info: tarfile.TarInfo) -> Skipped | None:
    if info.issym() or info.islnk():
        return LINK
    if info.issparse():
        return _SPARSE
    return None if info.isfile() or info.isdir() else NO_FILE


class _Forward:
    """Blocks as a file that is read once, from its start to its end, and not more of it than is `allowed` before that is set again."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._waiting = b""
        self._position = 0
        self.allowed = _HEADER_BYTES
        self.last = b""

    def head(self) -> bytes:
        """The first bytes, which are still to be read."""
        while len(self._waiting) < HEAD_BYTES and (block := next(self._blocks, b"")):
            self._waiting += block
        return self._waiting[:HEAD_BYTES]

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise FileRefused(_DAMAGED)
        while self._position < position and self._take(position - self._position):
            pass
        return self._position

    def read(self, size: int) -> bytes:
        self.allowed -= size
        if self.allowed < 0:
            raise FileRefused(_DAMAGED)
        parts = []
        while size and (part := self._take(size)):
            parts.append(part)
            size -= len(part)
        self.last = b"".join(parts)
        return self.last

    def _take(self, most: int) -> bytes:
        """Some of the next bytes; none at the end."""
        while not self._waiting:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._waiting = block
        part, self._waiting = self._waiting[:most], self._waiting[most:]
        self._position += len(part)
        return part


class _Content(BufferedIOBase):
    """`size` bytes of a stream from `start` on, as a file."""

    def __init__(self, stream: _Forward, start: int, size: int) -> None:
        self._stream, self._left = stream, size
        stream.seek(start)
        stream.allowed = size

    def read(self, size: int | None = -1, /) -> bytes:
        most = self._left if size is None or size < 0 else min(size, self._left)
        part = self._stream.read(most)
        self._left -= len(part)
        if len(part) < most:
            raise FileRefused(_DAMAGED)
        return part


class _Rest(BufferedIOBase):
    """All that is left of a stream, as a file."""

    def __init__(self, stream: _Forward, most: int) -> None:
        self._stream = stream
        stream.allowed = most

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise ValueError("How much comes is not known: read it in blocks.")
        return self._stream.read(size)
