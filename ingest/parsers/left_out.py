"""Pictures in office files and books: how many there are, so that their owner is told of those that are not taken out. Opens none."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from ingest.parsers.sniff import directory_bytes

_ZIP_MARK = b"PK\x03\x04"
_PICTURES = frozenset("png jpg jpeg gif bmp tif tiff webp svg emf wmf".split())  # noqa: SIM905 -- words read better than a list
_LIST_BYTES = 2_000_000  # no office file has so long a list of parts
_OF_THE_FILE = ("docProps/", "Thumbnails/", "META-INF/")  # a small picture of the file itself


def pictures_in(source: Path) -> int:
    """The pictures among the parts of a package; 0 for any other file."""
    with source.open("rb") as file:
        if file.read(len(_ZIP_MARK)) != _ZIP_MARK:
            return 0
    if directory_bytes(source) > _LIST_BYTES:
        return 0
    try:
        with zipfile.ZipFile(source) as archive:
            return sum(_is_picture(name) for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, UnicodeDecodeError, ValueError):
        return 0


def _is_picture(name: str) -> bool:
    return PurePosixPath(name.lower()).suffix.lstrip(".") in _PICTURES and not name.startswith(_OF_THE_FILE)
