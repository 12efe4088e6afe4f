"""Web pages: an HTML file as text with headings, lists and tables. What it says of its own encoding counts, as in a browser."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from ingest.limits import Limits
from ingest.parsers.markup import markup_text
from ingest.parsers.text import decoded

_DECLARED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{2,40})|<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]{2,40})""", re.IGNORECASE
)
_HEAD_BYTES = 4096  # browsers look no further than 1,024


def read_web_page(source: Path, limits: Limits) -> Iterator[str]:  # noqa: ARG001 -- every Read takes both
    """The page in one part."""
    yield markup_text(characters(source.read_bytes()))


def characters(data: bytes) -> str:
    """A page's characters: by its byte order mark, by what it declares if it is that, else as plain text is decoded."""
    found = _DECLARED.search(data[:_HEAD_BYTES])
    if found and not data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = (found[1] or found[2]).decode("ascii")
        # What calls itself Latin-1 is the code page of Windows, of which Latin-1 is a part: browsers read it so.
        name = "cp1252" if name.lower() in ("iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii") else name
        try:
            return data.decode(name)
        except (LookupError, UnicodeError):
            pass  # it is not what it says
    return decoded(data)
