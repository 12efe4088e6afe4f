"""Which parser reads a file. Content decides; the name only tells code and tables from prose and helps to say what went wrong."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ingest.errors import FileRefused
from ingest.limit_settings import beyond_megabytes, exceeded
from ingest.limits import Limits
from ingest.parsers.base import Parser
from ingest.parsers.book import read_book
from ingest.parsers.code import CODE_PARSER, is_code
from ingest.parsers.mail import read_mail
from ingest.parsers.open_document import read_open_sheets, read_open_slides, read_open_text
from ingest.parsers.parts import PartsParser
from ingest.parsers.pdf import PdfParser
from ingest.parsers.picture import PictureParser
from ingest.parsers.rich_text import read_rich_text
from ingest.parsers.sheets import read_separated, read_workbook
from ingest.parsers.slides import read_slides
from ingest.parsers.sniff import ARCHIVES, Content, describe, sniff
from ingest.parsers.text import TextParser
from ingest.parsers.web import read_web_page
from ingest.parsers.word import read_word

_TEXT_PARSER = TextParser()
_SEPARATED_PARSER = PartsParser(read_separated)
_PARSERS: dict[Content, Parser] = {
    Content.PDF: PdfParser(),
    Content.WORD: PartsParser(read_word),
    Content.SHEETS: PartsParser(read_workbook),
    Content.SLIDES: PartsParser(read_slides),
    Content.OPEN_TEXT: PartsParser(read_open_text),
    Content.OPEN_SHEETS: PartsParser(read_open_sheets),
    Content.OPEN_SLIDES: PartsParser(read_open_slides),
    Content.EPUB: PartsParser(read_book),
    Content.HTML: PartsParser(read_web_page),
    Content.RTF: PartsParser(read_rich_text),
    Content.MAIL: PartsParser(read_mail),
    Content.PICTURE: PictureParser(),
}
READ = frozenset(_PARSERS) | {Content.TEXT}
"""All that is read as a document."""

# What is not read, as words after "This file is", and what to do.
_REFUSED = {
    Content.BINARY_SHEETS: "an Excel workbook in binary form. Save it as .xlsx",
}
# Names whose files are never text, and never archives: a damaged or mistaken one is told so by its name.
_PACKAGES = frozenset("docx docm dotx xlsx xlsm xlsb pptx pptm odt ods odp epub".split())  # noqa: SIM905 -- words read better than a list
_ARCHIVE_NAMES = frozenset("zip tar tgz gz bz2 xz".split())  # noqa: SIM905 -- words read better than a list
_SEPARATED_NAMES = frozenset({"csv", "tsv"})
_HTML_NAMES = frozenset({"html", "htm", "xhtml"})
# Older office files are folders of named parts. An encrypted new one is such a folder with the new one in it.
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OUTLOOK = "__properties_version1.0".encode("utf-16-le")


def choose_parser(source: Path, path: str, limits: Limits) -> Parser:
    """The parser for the file at `source` that its owner calls `path`. Raises FileRefused or LimitExceeded."""
    size = source.stat().st_size
    if size > limits.file_bytes:
        raise exceeded(f"This file has {beyond_megabytes(size, limits.file_bytes)}.", "Split it into parts", "file_bytes")
    content = sniff(source)
    if content is Content.EMPTY:
        raise FileRefused("This file is empty. Check that it was saved, then upload it again.")
    if content is Content.TEXT or (content in (Content.HTML, Content.MAIL) and _is_source(path)):
        return _text_parser(path)
    if content in _PARSERS:
        return _PARSERS[content]
    raise FileRefused(_refusal(source, path, content))


def is_archive(source: Path, path: str) -> bool:
    """True for a ZIP or tar of files and for a packed file; False for documents that are a ZIP inside, and for what is named like one."""
    return _extension(path) not in _PACKAGES and sniff(source) in ARCHIVES


def _is_source(path: str) -> bool:
    """Code that begins as a page or a mail does: a template, a program that writes one."""
    return is_code(path) and _extension(path) not in _HTML_NAMES


def _text_parser(path: str) -> Parser:
    extension = _extension(path)
    if extension == "pdf":
        raise FileRefused("This file is named .pdf but holds plain text. Rename it to .txt, or export it as PDF, then upload it again.")
    if extension in _PACKAGES or extension in _ARCHIVE_NAMES:
        raise FileRefused(f"This file is named .{extension} but holds plain text. Rename it to .txt, then upload it again.")
    if extension in _SEPARATED_NAMES:
        return _SEPARATED_PARSER
    return CODE_PARSER if is_code(path) else _TEXT_PARSER


def _refusal(source: Path, path: str, content: Content) -> str:
    extension = _extension(path)
    if content in _REFUSED:
        return f"This file is {_REFUSED[content]}, then upload that."
    if content is Content.OLD_OFFICE:
        return _old_office_refusal(source.read_bytes())
    if content in ARCHIVES and extension in _PACKAGES:
        return f"This file is named .{extension} but is damaged, or an archive of something else. Save it as a new file, then upload that."
    if content in ARCHIVES:
        return "This file is an archive deep inside other archives. Upload it by itself."
    return f"This file is {describe(source)}, not a document with text. PDF, pictures, office files, books, mails, text and code are read."


def _old_office_refusal(data: bytes) -> str:
    if _ENCRYPTED in data:
        return (
            "This file is locked with a password. Open it in Office, save it without one (File, Info, Protect), then upload the new file."
        )
    if _OUTLOOK in data:
        return "This file is an Outlook message. Save it as .eml, or print it as PDF, then upload that."
    return "This file is an older Microsoft Office file. Save it as .docx, .xlsx or .pptx, then upload that."


def _extension(path: str) -> str:
    return PurePosixPath(path).suffix.lower().lstrip(".")
