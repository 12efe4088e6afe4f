"""What a file holds, told by its first bytes, and for a ZIP by what is in it; never by its name. Parses nothing."""

from __future__ import annotations

import re
import struct
import zipfile
from enum import StrEnum
from pathlib import Path

HEAD_BYTES = 8192

# First bytes, and what the file is called when we say that it is not read.
_BINARY_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a picture (GIF)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
)
# PNG, JPEG, TIFF in both orders of bytes and both sizes; WebP has four bytes of its length inside.
_PICTURES = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|II[*+]\x00|MM\x00[*+]|RIFF....WEBP", re.DOTALL)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
_OLE_MARK = b"\xd0\xcf\x11\xe0"
_RTF_MARK = b"{\\rtf"
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*|<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_HEADER = re.compile(rb"([A-Za-z][A-Za-z0-9-]{1,60}):[ \t]?.*(?:\r?\n[ \t].*)*\r?\n")
_MAIL_HEADERS = {b"from", b"date"}  # the two that every mail has (RFC 5322)
_MAIL_ONLY = {b"message-id", b"mime-version", b"received", b"return-path", b"delivered-to", b"x-mailer"}

_TAIL_BYTES = 66_000  # the end of a ZIP's directory stands in them, whatever its comment
_DIRECTORY_BYTES = 2_000_000  # no office file has so many parts
_MIMETYPE_BYTES = 200
_PLAIN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes before the first byte


class Content(StrEnum):
    """What the first bytes say."""

    EMPTY = "empty"
    PDF = "pdf"
    ZIP = "zip"
    TAR = "tar"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    WORD = "word"
    SHEETS = "sheets"
    BINARY_SHEETS = "binary sheets"
    SLIDES = "slides"
    OPEN_TEXT = "open text"
    OPEN_SHEETS = "open sheets"
    OPEN_SLIDES = "open slides"
    EPUB = "epub"
    OLD_OFFICE = "old office"
    RTF = "rtf"
    HTML = "html"
    MAIL = "mail"
    PICTURE = "picture"
    TEXT = "text"
    BINARY = "binary"


ARCHIVES = frozenset({Content.ZIP, Content.TAR, Content.GZIP, Content.BZIP2, Content.XZ})
_PACKED = ((b"\x1f\x8b", Content.GZIP), (b"BZh", Content.BZIP2), (b"\xfd7zXZ\x00", Content.XZ))

# A ZIP with a list of content types is Microsoft's; the folder of its main part says what it is.
_MICROSOFT = (("word/", Content.WORD), ("xl/workbook.bin", Content.BINARY_SHEETS), ("xl/", Content.SHEETS), ("ppt/", Content.SLIDES))
# The others say it in a first part named mimetype.
_MIMETYPES = (
    (b"application/epub+zip", Content.EPUB),
    (b"application/vnd.oasis.opendocument.text", Content.OPEN_TEXT),
    (b"application/vnd.oasis.opendocument.spreadsheet", Content.OPEN_SHEETS),
    (b"application/vnd.oasis.opendocument.presentation", Content.OPEN_SLIDES),
)


def sniff(source: Path) -> Content:
    """What `source` holds. A UTF-16 text is text, with its mark or without; any other NUL in the head makes a file binary."""
    head = _head(source)
    if not head:
        return Content.EMPTY
    if is_picture(head):
        return Content.PICTURE
    if head.startswith(_ZIP_MARKS):
        return _inside_zip(source)
    if is_tar(head):
        return Content.TAR
    if packed := next((content for mark, content in _PACKED if head.startswith(mark)), None):
        return packed
    if b"%PDF-" in head[:1024]:  # after archives, whose first file may be one
        return Content.PDF
    if head.startswith(_OLE_MARK):
        return Content.OLD_OFFICE
    if head.startswith(_RTF_MARK):
        return Content.RTF
    if wide := "utf-16" if head.startswith(_UTF16_MARKS) else wide_encoding(head):
        head = head.decode(wide, "ignore").encode("utf-8", "ignore")
    if b"\x00" in head or _signature(head):
        return Content.BINARY
    if _HTML.match(head):
        return Content.HTML
    return Content.MAIL if _is_mail(head) else Content.TEXT


def describe(source: Path) -> str:
    """What a binary file seems to be, as words that end "This file is ..."."""
    return _signature(_head(source)) or "binary data"


def is_picture(head: bytes) -> bool:
    """Of a kind that is read."""
    return bool(_PICTURES.match(head))


def is_tar(head: bytes) -> bool:
    """The first entry's header says how much its own bytes come to, with spaces in place of that number."""
    said = head[148:156].strip(b" \x00")
    if len(head) < 512 or not re.fullmatch(rb"[0-7]{1,7}", said):
        return False
    return int(said, 8) == sum(head[:148]) + 8 * ord(" ") + sum(head[156:512])


def directory_bytes(source: Path) -> int:
    """How long the list of a ZIP's entries is, by its own account; 0 if it has none. Whoever opens a ZIP reads that list into memory."""
    with source.open("rb") as file:
        file.seek(max(0, source.stat().st_size - _TAIL_BYTES))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if not 0 <= end <= len(tail) - 22:
        return 0
    (length,) = struct.unpack_from("<I", tail, end + 12)
    return int(length)


def wide_encoding(head: bytes) -> str | None:
    """utf-16-le or utf-16-be if the bytes are that without a mark: of Western letters every other byte is nought, and none of the rest."""
    even, odd = head[0::2], head[1::2]
    for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if len(head) >= 4 and zeros.count(0) * 2 > len(zeros) and not others.count(0):
            return name
    return None


def _inside_zip(source: Path) -> Content:
    if directory_bytes(source) > _DIRECTORY_BYTES:
        return Content.ZIP
    try:
        with zipfile.ZipFile(source) as archive:
            names = archive.namelist()
            if "[Content_Types].xml" in names:
                return next((content for start, content in _MICROSOFT if any(name.startswith(start) for name in names)), Content.ZIP)
            if "mimetype" in names and archive.getinfo("mimetype").compress_type in _PLAIN_METHODS:
                with archive.open("mimetype") as part:
                    said = part.read(_MIMETYPE_BYTES).strip()
                return next((content for start, content in _MIMETYPES if said.startswith(start)), Content.ZIP)
    except Exception:  # zipfile raises many kinds; whoever opens the archive says what is wrong with it
        return Content.ZIP
    return Content.ZIP


def _is_mail(head: bytes) -> bool:
    """A run of header lines from the first byte on, with those that only a mail has."""
    found, position = set(), 0
    while match := _HEADER.match(head, position):
        found.add(match[1].lower())
        position = match.end()
    return found >= _MAIL_HEADERS and bool(found & _MAIL_ONLY)


def _head(source: Path) -> bytes:
    with source.open("rb") as file:
        return file.read(HEAD_BYTES)


def _signature(head: bytes) -> str | None:
    return next((name for mark, name in _BINARY_SIGNATURES if head.startswith(mark)), None)
