"""Which parser reads a file. Content decides; the name only tells code from prose and helps to say what went wrong."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ingest.errors import FileRefused, LimitExceeded
from ingest.limits import Limits
from ingest.parsers.base import Parser
from ingest.parsers.code import CODE_PARSER, is_code
from ingest.parsers.pdf import PdfParser
from ingest.parsers.sniff import Content, describe, sniff
from ingest.parsers.text import TextParser

_PDF_PARSER = PdfParser()
_TEXT_PARSER = TextParser()

# Formats that are a ZIP inside: what to call them and what to do instead.
_ZIPPED_FORMATS = {
    "docx": "a Word document",
    "xlsx": "an Excel workbook",
    "pptx": "a PowerPoint presentation",
    "odt": "an OpenDocument text",
    "ods": "an OpenDocument spreadsheet",
    "odp": "an OpenDocument presentation",
    "epub": "an EPUB book",
}


def choose_parser(source: Path, path: str, limits: Limits) -> Parser:
    """The parser for the file at `source` that its owner calls `path`. Raises FileRefused or LimitExceeded."""
    size = source.stat().st_size
    if size > limits.file_bytes:
        raise LimitExceeded(f"This file has {size / 1e6:,.0f} MB; {limits.file_bytes / 1e6:,.0f} MB are read at most. Split it into parts.")
    content = sniff(source)
    if content is Content.EMPTY:
        raise FileRefused("This file is empty. Check that it was saved, then upload it again.")
    if content is Content.PDF:
        return _PDF_PARSER
    if content is Content.TEXT:
        return _text_parser(path)
    raise FileRefused(_refusal(source, path, content))


def is_archive(source: Path, path: str) -> bool:
    """True for a ZIP of files; False for the office formats that are a ZIP inside."""
    return _extension(path) not in _ZIPPED_FORMATS and sniff(source) is Content.ZIP


def _text_parser(path: str) -> Parser:
    extension = _extension(path)
    if extension == "pdf":
        raise FileRefused("This file is named .pdf but holds plain text. Rename it to .txt, or export it as PDF, then upload it again.")
    if extension in _ZIPPED_FORMATS or extension == "zip":
        raise FileRefused(f"This file is named .{extension} but holds plain text. Rename it to .txt, then upload it again.")
    return CODE_PARSER if is_code(path) else _TEXT_PARSER


def _refusal(source: Path, path: str, content: Content) -> str:
    extension = _extension(path)
    if content is Content.ZIP and extension in _ZIPPED_FORMATS:
        return f"This file is {_ZIPPED_FORMATS[extension]}, which is not read yet. Save it as PDF, then upload the PDF."
    if content is Content.ZIP:
        return "This file is a ZIP archive inside another upload; archives are opened one level deep. Upload it by itself."
    return f"This file is {describe(source)}, not a document with text. PDF, text, Markdown, source code and ZIP archives are read."


def _extension(path: str) -> str:
    return PurePosixPath(path).suffix.lower().lstrip(".")
