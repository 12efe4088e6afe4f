"""What a file holds, told by its first bytes and never by its name. Parses nothing."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

HEAD_BYTES = 8192

# First bytes, and what the file is called when we say that it is not read.
_BINARY_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"II*\x00", "a picture (TIFF)"),
    (b"MM\x00*", "a picture (TIFF)"),
    (b"\xd0\xcf\x11\xe0", "an older Microsoft Office file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")


class Content(StrEnum):
    """What the first bytes say."""

    EMPTY = "empty"
    PDF = "pdf"
    ZIP = "zip"
    TEXT = "text"
    BINARY = "binary"


def sniff(source: Path) -> Content:
    """What `source` holds. A UTF-16 text with its mark is text; any other NUL in the head makes a file binary."""
    head = _head(source)
    if not head:
        return Content.EMPTY
    if b"%PDF-" in head[:1024]:
        return Content.PDF
    if head.startswith(_ZIP_MARKS):
        return Content.ZIP
    if head.startswith(_UTF16_MARKS):
        return Content.TEXT
    return Content.BINARY if b"\x00" in head or _signature(head) else Content.TEXT


def describe(source: Path) -> str:
    """What a binary file seems to be, as words that end "This file is ..."."""
    return _signature(_head(source)) or "binary data"


def _head(source: Path) -> bytes:
    with source.open("rb") as file:
        return file.read(HEAD_BYTES)


def _signature(head: bytes) -> str | None:
    return next((name for mark, name in _BINARY_SIGNATURES if head.startswith(mark)), None)
