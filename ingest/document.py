"""Reading a document from end to end: original -> text, page map, tokens, chunks. Start here to understand ingest.

The file is parsed in a process of its own (ingest.apart); what is done here is done to its text. Knows no row and no queue: a folder in,
files in that folder and a summary out. Several documents together are a Prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from engine.lexical import LexicalIndex
from engine.prompt import Prompt, PromptDocument
from ingest.apart import PARSING, ParsingProcess
from ingest.limits import Limits
from ingest.model import DocumentSummary
from ingest.progress import Report, silent
from ingest.prompt.builder import Builder, Encoder
from ingest.prompt.headers import header_for
from ingest.prompt.page_map import read_pages
from ingest.storage import DocumentFolder


def read_document(
    name: str,
    path: str,
    folder: DocumentFolder,
    tokenizer: Encoder,
    *,
    limits: Limits | None = None,
    report: Report = silent,
    process: ParsingProcess = PARSING,
) -> DocumentSummary:
    """Reads `folder.original` and swaps the result into `folder.parsed`, whole or not at all.

    `name` is what the owner calls the document and `path` where it stands in an archive or folder ('' if it stands alone); the
    header of every chunk names the path if there is one. Raises FileRefused or LimitExceeded, with a sentence for the owner.
    """
    label = path or name
    with folder.replacing() as parsed:
        said = process.parse(folder.original, label, parsed, limits or Limits(), report)
        text, pages = parsed.text.read_bytes().decode("utf-8"), read_pages(parsed)
        built = Builder(tokenizer).build(text, said.kind, header_for(said.kind, label, text, pages), report)
        np.save(parsed.ids, built.ids)
        np.save(parsed.chunks, built.rows)
    return DocumentSummary(
        kind=said.kind,
        chars=len(text),
        lines=text.count("\n") + 1,
        tokens=len(built.ids),
        chunks=len(built.rows),
        pages=pages,
        notes=said.notes,
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
