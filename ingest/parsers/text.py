"""Plain text and Markdown: bytes to characters, exactly, in one piece. Knows nothing of what the text says."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from charset_normalizer import from_bytes

from ingest.errors import FileRefused
from ingest.limit_settings import beyond, exceeded
from ingest.limits import Limits
from ingest.model import Kind, ParsedPage
from ingest.parsers.base import ParserContext
from ingest.parsers.sniff import HEAD_BYTES, wide_encoding

# Enough to tell one encoding from another; the guess is quadratic in nothing but slow on whole books.
_SAMPLE_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class TextParser:
    """Yields the whole file as one page without words. Source code is read the same way and only named differently."""

    kind: Kind = Kind.TEXT

    def count_pages(self, source: Path, context: ParserContext) -> int:  # noqa: ARG002 -- the Protocol's
        return 1

    def parse(self, source: Path, context: ParserContext) -> Iterator[ParsedPage]:
        yield ParsedPage(number=1, text=read_text(source, context.limits))


def read_text(source: Path, limits: Limits) -> str:
    """The file's characters with line ends as `\\n`. Raises FileRefused if it is empty or binary, LimitExceeded if it is data."""
    text = decoded(source.read_bytes()).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise FileRefused("This file is empty. Check that it was saved, then upload it again.")
    if "\x00" in text:
        raise FileRefused("This file is binary, not text. Upload the document as PDF, or the text itself.")
    _check_size(text, limits)
    return text


def decoded(data: bytes) -> str:
    """Bytes as characters: by their byte order mark, as UTF-16 without one, as UTF-8, else by what they look like."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if wide := wide_encoding(data[:HEAD_BYTES]):
        return data.decode(wide, errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode(_guessed(data[:_SAMPLE_BYTES]), errors="replace")


def _guessed(sample: bytes) -> str:
    """The encoding that a text looks like; where several look the same, the one that most files are in."""
    matches = from_bytes(sample)
    best = matches.best()
    if best is None:
        return "utf-8"
    as_good = (match.encoding for match in matches if match.chaos <= best.chaos and match.coherence >= best.coherence)
    return "cp1252" if "cp1252" in as_good else best.encoding


def _check_size(text: str, limits: Limits) -> None:
    if len(text) > limits.text_chars:
        said = f"This text has {beyond(len(text), limits.text_chars, 'characters')}."
        raise exceeded(said, "Split it into parts", "text_chars")
    check_lines(text, limits)


def check_lines(text: str, limits: Limits) -> None:
    """Raises LimitExceeded for a line that is too long to be read by anybody."""
    longest = max(map(len, text.split("\n")))
    if longest > limits.line_chars:
        said = f"A line of this file has {beyond(longest, limits.line_chars, 'characters')}, and looks like data rather than text."
        raise exceeded(said, "Break its lines, leave it out", "line_chars")
