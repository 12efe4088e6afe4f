"""Which parser reads a file. Content decides; the name only tells code and tables from prose and helps to say what went wrong."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ingest.errors import FileRefused, LimitExceeded
from ingest.limits import Limits
from ingest.parsers.base import Parser
from ingest.parsers.code import CODE_PARSER, is_code
from ingest.parsers.parts import PartsParser
from ingest.parsers.pdf import PdfParser
from ingest.parsers.sniff import Content, describe, sniff
from ingest.parsers.text import TextParser
from ingest.parsers.web import read_web_page
from ingest.parsers.word import read_word

_TEXT_PARSER = TextParser()
_PARSERS: dict[Content, Parser] = {
    Content.PDF: PdfParser(),
    Content.WORD: PartsParser(read_word),
    Content.HTML: PartsParser(read_web_page),
}
# What is not read, as words after "This file is", and what to do.
_REFUSED = {
    Content.BINARY_SHEETS: "an Excel workbook in binary form. Save it as .xlsx",
    Content.SHEETS: "an Excel workbook, which is not read yet. Save it as PDF",
    Content.SLIDES: "a PowerPoint presentation, which is not read yet. Save it as PDF",
    Content.OPEN_TEXT: "an OpenDocument text, which is not read yet. Save it as PDF",
    Content.OPEN_SHEETS: "an OpenDocument spreadsheet, which is not read. Save it as .xlsx",
    Content.OPEN_SLIDES: "an OpenDocument presentation, which is not read. Save it as .pptx",
    Content.EPUB: "an EPUB book, which is not read yet. Save it as PDF",
}
# Names whose files are never text, and never archives: a damaged or mistaken one is told so by its name.
_PACKAGES = frozenset("docx docm dotx xlsx xlsm xlsb pptx pptm odt ods odp epub".split())  # noqa: SIM905 -- words read better than a list
_HTML_NAMES = frozenset({"html", "htm", "xhtml"})
# An encrypted office file is an older one that holds the new one, and this is the name of what it holds.
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def choose_parser(source: Path, path: str, limits: Limits) -> Parser:
    """The parser for the file at `source` that its owner calls `path`. Raises FileRefused or LimitExceeded."""
    size = source.stat().st_size
    if size > limits.file_bytes:
        raise LimitExceeded(f"This file has {size / 1e6:,.0f} MB; {limits.file_bytes / 1e6:,.0f} MB are read at most. Split it into parts.")
    content = sniff(source)
    if content is Content.EMPTY:
        raise FileRefused("This file is empty. Check that it was saved, then upload it again.")
    if content is Content.TEXT or (content in (Content.HTML, Content.MAIL) and _is_source(path)):
        return _text_parser(path)
    if content in _PARSERS:
        return _PARSERS[content]
    raise FileRefused(_refusal(source, path, content))


def is_archive(source: Path, path: str) -> bool:
    """True for a ZIP of files; False for documents that are a ZIP inside, and for what is named like one."""
    return _extension(path) not in _PACKAGES and sniff(source) is Content.ZIP


def _is_source(path: str) -> bool:
    """Code that begins as a page or a mail does: a template, a program that writes one."""
    return is_code(path) and _extension(path) not in _HTML_NAMES


def _text_parser(path: str) -> Parser:
    extension = _extension(path)
    if extension == "pdf":
        raise FileRefused("This file is named .pdf but holds plain text. Rename it to .txt, or export it as PDF, then upload it again.")
    if extension in _PACKAGES or extension == "zip":
        raise FileRefused(f"This file is named .{extension} but holds plain text. Rename it to .txt, then upload it again.")
    return CODE_PARSER if is_code(path) else _TEXT_PARSER


def _refusal(source: Path, path: str, content: Content) -> str:
    extension = _extension(path)
    if content in _REFUSED:
        return f"This file is {_REFUSED[content]}, then upload that."
    if content is Content.OLD_OFFICE and _ENCRYPTED in source.read_bytes():
        return (
            "This file is locked with a password. Open it in Office, save it without one (File, Info, Protect), then upload the new file."
        )
    if content is Content.OLD_OFFICE:
        return "This file is an older Microsoft Office file. Save it as .docx, .xlsx or .pptx, then upload that."
    if content is Content.ZIP and extension in _PACKAGES:
        return (
            f"This file is named .{extension} but is damaged, or a ZIP archive of something else. Save it as a new file, then upload that."
        )
    if content is Content.ZIP:
        return "This file is a ZIP archive inside another upload; archives are opened one level deep. Upload it by itself."
    return f"This file is {describe(source)}, not a document with text. PDF, office files, books, mails, text and code are read."


def _extension(path: str) -> str:
    return PurePosixPath(path).suffix.lower().lstrip(".")
