"""A file as a download, sent piece by piece so that a large one never lies in memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

PIECE_BYTES = 1_000_000
UNSAFE = re.compile(r'[\x00-\x1f\x7f"/\\]+')


def attachment(path: Path, name: str, content_type: str = "application/octet-stream") -> StreamingHttpResponse:
    """Bytes that a browser saves and never shows: whatever an upload holds, it does not run here. Raises FileNotFoundError."""
    size = path.stat().st_size
    response = StreamingHttpResponse(_pieces(path), content_type=content_type)
    response["Content-Length"] = str(size)
    response["Content-Disposition"] = content_disposition_header(True, UNSAFE.sub("_", name)) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    return response


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file: BinaryIO = await sync_to_async(lambda: path.open("rb"))()
    try:
        while piece := await sync_to_async(file.read)(PIECE_BYTES):
            yield piece
    finally:
        await sync_to_async(file.close)()
