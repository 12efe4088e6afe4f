"""RTF: its words, a paragraph a line. Objects and pictures inside are left out, unopened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from striprtf.striprtf import rtf_to_text

from ingest.limits import Limits


def read_rich_text(source: Path, limits: Limits) -> Iterator[str]:  # noqa: ARG001 -- every Read takes both
    """The document in one part."""
    # RTF is ASCII; what a program left unescaped in it is in the code page of Windows, as are its escapes unless it says otherwise.
    text = rtf_to_text(source.read_bytes().decode("cp1252", errors="replace"), encoding="cp1252", errors="replace")  # type: ignore[no-untyped-call]
    yield text.replace("\r\n", "\n").replace("\r", "\n").strip("\n") + "\n"
