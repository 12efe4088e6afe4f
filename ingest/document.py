"""Reading a document from end to end: original -> text, page map, tokens, chunks. Start here to understand ingest.

Knows no row and no queue: a folder in, files in that folder and a summary out. Several documents together are a Prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.lexical import LexicalIndex
from engine.prompt import Prompt, PromptDocument
from ingest.errors import LimitExceeded
from ingest.limits import Limits
from ingest.model import DocumentSummary, Kind, PageSummary, ParsedPage
from ingest.notes import page_notes
from ingest.parsers.base import Parser, ParserContext
from ingest.parsers.registry import choose_parser
from ingest.progress import Progress, Report, silent
from ingest.prompt.builder import Builder, Built, Encoder
from ingest.prompt.headers import header_for
from ingest.prompt.page_map import word_rows, write_page_map
from ingest.storage import DocumentFolder, ParsedFiles

_PAGE_SEPARATOR = "\f"


@dataclass(frozen=True, slots=True)
class _Text:
    """A document's text with the places of its pages and words in it."""

    text: str
    pages: tuple[PageSummary, ...]
    words: tuple[NDArray[np.void], ...]
    notes: tuple[str, ...]


def read_document(
    name: str, path: str, folder: DocumentFolder, tokenizer: Encoder, *, limits: Limits | None = None, report: Report = silent
) -> DocumentSummary:
    """Reads `folder.original` and swaps the result into `folder.parsed`, whole or not at all.

    `name` is what the owner calls the document and `path` where it stands in an archive or folder ('' if it stands alone); the
    header of every chunk names the path if there is one. Raises FileRefused or LimitExceeded, with a sentence for the owner.
    """
    limits = limits or Limits()
    label = path or name
    parser = choose_parser(folder.original, label, limits)
    read = _joined(parser.kind, _pages(parser, folder.original, limits, report))
    built = Builder(tokenizer).build(read.text, parser.kind, header_for(parser.kind, label, read.text, read.pages), report)
    with folder.replacing() as parsed:
        _write(parsed, parser.kind, read, built)
    return DocumentSummary(
        kind=parser.kind,
        chars=len(read.text),
        lines=read.text.count("\n") + 1,
        tokens=len(built.ids),
        chunks=len(built.rows),
        pages=read.pages,
        notes=read.notes,
    )


def open_prompt(documents: Sequence[tuple[str, str, DocumentFolder]], lexical_path: Path, salt: str) -> Prompt:
    """A prompt over read documents, each (id, name, folder). The arrays stay on disk, memory-mapped, whatever their size."""
    return Prompt(tuple(_prompt_document(id, name, folder) for id, name, folder in documents), lexical_path, salt)


def index_document(lexical_path: Path, id: str, folder: DocumentFolder) -> None:
    """Puts a read document's chunks into the lexical index, in place of what the index had of it."""
    LexicalIndex(lexical_path).put(id, _bodies(_prompt_document(id, "", folder)))


def _prompt_document(id: str, name: str, folder: DocumentFolder) -> PromptDocument:
    parsed = folder.parsed
    return PromptDocument(id, name, np.load(parsed.ids, mmap_mode="r"), np.load(parsed.chunks, mmap_mode="r"), parsed.text)


def _bodies(document: PromptDocument) -> Iterator[str]:
    text = document.text()
    return (text[int(row["start_char"]) : int(row["end_char"])] for row in document.rows)


def _pages(parser: Parser, source: Path, limits: Limits, report: Report) -> Iterator[ParsedPage]:
    """The parser's pages, counted against the limit of characters."""
    context = ParserContext(limits)
    total = parser.count_pages(source, context)
    chars = 0
    for page in parser.parse(source, context):
        chars += len(page.text)
        if chars > limits.text_chars:
            raise LimitExceeded(
                f"This document has more than {limits.text_chars:,} characters, the most that is read. Split it into parts."
            )
        yield page
        report(Progress("reading pages", page.number, total, "pages"))


def _joined(kind: Kind, pages: Iterable[ParsedPage]) -> _Text:
    if kind is not Kind.PAGED:
        return _Text("".join(page.text for page in pages), (), (), ())
    texts: list[str] = []
    places: list[PageSummary] = []
    words: list[NDArray[np.void]] = []
    seen: list[ParsedPage] = []
    start = 0
    for page in pages:
        end = start + len(page.text)
        texts.append(page.text)
        places.append(PageSummary(page.number, start, end, page.width, page.height, bool(page.text.strip())))
        words.append(word_rows(page.words, page.number, start))
        seen.append(replace(page, words=()))
        start = end + len(_PAGE_SEPARATOR)
    return _Text(_PAGE_SEPARATOR.join(texts), tuple(places), tuple(words), page_notes(seen))


def _write(parsed: ParsedFiles, kind: Kind, read: _Text, built: Built) -> None:
    with parsed.text.open("w", encoding="utf-8", newline="") as file:
        file.write(read.text)
    write_page_map(parsed, kind, read.pages, read.words)
    np.save(parsed.ids, built.ids)
    np.save(parsed.chunks, built.rows)
