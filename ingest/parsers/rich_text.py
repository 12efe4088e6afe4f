"""RTF: its words, a paragraph a line. Objects and pictures inside are left out, unopened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from striprtf.striprtf import rtf_to_text

from ingest.limits import Limits
from ingest.parsers.package import damaged


def read_rich_text(source: Path, limits: Limits) -> Iterator[str]:  # noqa: ARG001 -- every Read takes both
    """The document in one part."""
    # RTF is ASCII; what a program left unescaped in it is in the code page of Windows, as are its escapes unless it says otherwise.
    marked = source.read_bytes().decode("cp1252", errors="replace")
    try:
        text = rtf_to_text(marked, encoding="cp1252", errors="replace")  # type: ignore[no-untyped-call]
    except (ValueError, LookupError, OverflowError) as error:
        raise damaged("RTF document") from error
    yield text.replace("\r\n", "\n").replace("\r", "\n").strip("\n") + "\n"
