"""Files that a stream of bytes is packed in (gzip, bzip2, xz), unpacked block by block under limits. Knows nothing of what comes out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from ingest.errors import FileRefused
from ingest.limit_settings import exceeded, megabytes
from ingest.limits import Limits
from ingest.parsers.sniff import Content, sniff

_BLOCK_BYTES = 1 << 16
_RATIO_FREE_BYTES = 1_000_000  # below it a high ratio costs nobody anything
_DAMAGED = "This archive is damaged and cannot be unpacked. Pack it again, then upload the new archive."


def inflated(source: Path, limits: Limits) -> Iterator[bytes]:
    """Blocks of some 64 KB; of a file that is not packed, the file's own. Raises FileRefused where it is damaged, LimitExceeded when more
    comes out than limits.archive_read_bytes, or more than limits.archive_ratio times what went in."""
    unpack = _UNPACKERS.get(sniff(source), _as_it_is)
    size = 0
    with source.open("rb") as file:
        try:
            for block in unpack(file, limits):
                size += len(block)
                _check_growth(size, file.tell(), limits)
                yield block
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            if "Memory usage limit" in str(error):
                said = f"Unpacking this archive takes more than {megabytes(limits.archive_memory_bytes)} of memory, the most."
                raise exceeded(said, "Pack it again with less compression", "archive_memory_bytes") from error
            raise FileRefused(_DAMAGED) from error


def _check_growth(size: int, packed: int, limits: Limits) -> None:
    if size > limits.archive_read_bytes:
        said = f"The first {megabytes(packed)} of this archive unpack to more than the {megabytes(limits.archive_read_bytes)} that are"
        raise exceeded(f"{said} looked through.", "Upload it in parts", "archive_read_bytes")
    if size > _RATIO_FREE_BYTES and size > limits.archive_ratio * packed:
        said = (
            f"This archive unpacks to more than {limits.archive_ratio:,} times its size, as a bomb does: its first {megabytes(packed)} to"
        )
        raise exceeded(f"{said} {megabytes(size)}.", "Pack it again without what is so large", "archive_ratio")


def _as_it_is(file: IO[bytes], limits: Limits) -> Iterator[bytes]:  # noqa: ARG001 -- every unpacker takes both
    return iter(lambda: file.read(_BLOCK_BYTES), b"")


def _gzip(file: IO[bytes], limits: Limits) -> Iterator[bytes]:  # noqa: ARG001 -- every unpacker takes both
    with gzip.GzipFile(fileobj=file) as stream:
        yield from iter(lambda: stream.read(_BLOCK_BYTES), b"")


def _bzip2(file: IO[bytes], limits: Limits) -> Iterator[bytes]:  # noqa: ARG001 -- every unpacker takes both
    with bz2.BZ2File(file) as stream:
        yield from iter(lambda: stream.read(_BLOCK_BYTES), b"")


def _xz(file: IO[bytes], limits: Limits) -> Iterator[bytes]:
    """By hand, since the library's file object takes as much memory as the archive asks for."""
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, limits.archive_memory_bytes)
    while True:
        packed = b""
        if stream.eof:  # another one may follow, after padding
            packed = (stream.unused_data or file.read(_BLOCK_BYTES)).lstrip(b"\x00")
            if not packed:
                return
            stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, limits.archive_memory_bytes)
        elif stream.needs_input:
            packed = file.read(_BLOCK_BYTES)
            if not packed:
                raise EOFError
        yield stream.decompress(packed, _BLOCK_BYTES)


_UNPACKERS: dict[Content, Callable[[IO[bytes], Limits], Iterator[bytes]]] = {Content.GZIP: _gzip, Content.BZIP2: _bzip2, Content.XZ: _xz}
