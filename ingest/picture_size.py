"""How many pixels a picture has, told by the first bytes of a PNG, JPEG or WebP. Decodes nothing, so it is safe in any process."""

from __future__ import annotations

import re
import struct

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
# A JPEG's frame headers, in which its size stands: all of C0 to CF but three tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WEBP = re.compile(rb"RIFF....WEBP(VP8[ LX])", re.DOTALL)


def pixels_in_head(head: bytes) -> tuple[int, int] | None:
    """Width and height; None where these bytes do not say, as of a TIFF or a JPEG that begins with much else."""
    try:
        if head.startswith(_PNG):
            return struct.unpack_from(">II", head, 16)
        if head.startswith(_JPEG):
            return _in_jpeg(head)
        if webp := _WEBP.match(head):
            return _in_webp(webp[1], head)
    except (struct.error, IndexError):  # it is cut off
        return None
    return None


def _in_jpeg(head: bytes) -> tuple[int, int] | None:
    """From one marker to the next; what lies between them, a small picture of the picture too, is passed over."""
    at = 2
    while head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        (length,) = struct.unpack_from(">H", head, at + 2)
        at += 2 + length
    return None


def _in_webp(kind: bytes, head: bytes) -> tuple[int, int] | None:
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", head, 21)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
