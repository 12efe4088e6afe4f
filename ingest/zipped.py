"""The entries of a ZIP archive. Opens what it is told to and decides nothing."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from ingest.errors import FileRefused
from ingest.limit_settings import beyond_megabytes, exceeded
from ingest.limits import Limits
from ingest.packed import LINK, LOCKED, Entry, EntryDamaged, Open
from ingest.parsers.sniff import directory_bytes
from ingest.skipping import Skipped

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError)


def zip_entries(source: Path, limits: Limits) -> Iterator[Entry]:
    """In the order of the archive's list, which is read into memory whole: its size is looked at before."""
    if (size := directory_bytes(source)) > limits.archive_directory_bytes:
        said = f"The list of this archive's entries has {beyond_megabytes(size, limits.archive_directory_bytes)}."
        raise exceeded(said, "Upload it in parts", "archive_directory_bytes")
    try:
        with zipfile.ZipFile(source) as archive:
            for info in archive.infolist():
                content = cast("Open", partial(_Content, archive, info))
                yield Entry(info.filename, info.file_size, info.is_dir(), content, _unfit(info), info.compress_size)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise FileRefused("This ZIP archive is damaged and cannot be opened. Pack it again, then upload the new archive.") from error


def _unfit(info: zipfile.ZipInfo) -> Skipped | None:
    if stat.S_ISLNK(info.external_attr >> 16):
        return LINK
    return LOCKED if info.flag_bits & 0x1 else None


class _Content(BufferedIOBase):
    """What an entry holds, with one kind of error."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        try:
            self._file = archive.open(info)
        except _DAMAGED as error:
            raise EntryDamaged from error

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return self._file.read(-1 if size is None else size)
        except _DAMAGED as error:
            raise EntryDamaged from error

    def close(self) -> None:
        self._file.close()
        super().close()
