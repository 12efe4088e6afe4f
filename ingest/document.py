"""Reading a document from end to end: original -> text, page map, page images, tokens, chunks. Start here to understand ingest.

The file is parsed in a process of its own (ingest.apart); what is done here is done to its text. Knows no row and no queue: a folder in,
files in that folder and a summary out. Several documents together are a Prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from engine.lexical import LexicalIndex
from engine.prompt import CHUNK_ROW, Prompt, PromptDocument
from ingest.apart import PARSING, ParsingProcess
from ingest.limits import Limits
from ingest.model import DocumentSummary, PageSummary
from ingest.parsers.code import is_code
from ingest.progress import Report, silent
from ingest.prompt.builder import Builder, Encoder
from ingest.prompt.headers import header_for
from ingest.prompt.page_map import read_pages
from ingest.prompt.pictures import Drawn, Seeing, laid_out, picture_note, read_pictures, write_pictures
from ingest.prompt.stored_arrays import opened_array
from ingest.render import draw_pages
from ingest.storage import DocumentFolder, ParsedFiles

_IDS = np.dtype(np.int32)


def read_document(
    name: str,
    path: str,
    folder: DocumentFolder,
    tokenizer: Encoder,
    *,
    limits: Limits | None = None,
    report: Report = silent,
    process: ParsingProcess = PARSING,
    seeing: Seeing | None = None,
) -> DocumentSummary:
    """Reads `folder.readable` and swaps the result into `folder.parsed`, whole or not at all.

    `name` is what the owner calls the document and `path` where it stands in an archive or folder ('' if it stands alone); the
    header of every chunk names the path if there is one. `seeing`: a model that sees reads the prompt; without it no page
    image is in it. Raises FileRefused or LimitExceeded, with a sentence for the owner.
    """
    label, limits = path or name, limits or Limits()
    with folder.replacing() as parsed:
        said = process.parse(folder.readable, label, parsed, limits, report)
        text, pages = parsed.text.read_bytes().decode("utf-8"), read_pages(parsed)
        drawn = _drawn(folder, parsed, pages, limits, report, seeing) if seeing else []
        header = header_for(said.kind, label, text, pages)
        built = Builder(tokenizer, most_tokens=limits.tokens).build(text, said.kind, header, report, [each.picture for each in drawn])
        np.save(parsed.ids, built.ids)
        np.save(parsed.chunks, built.rows)
        if drawn:
            write_pictures(parsed, drawn, built)
    return DocumentSummary(
        kind=said.kind,
        chars=len(text),
        lines=text.count("\n") + 1,
        tokens=len(built.ids),
        chunks=len(built.rows),
        pages=pages,
        notes=said.notes + picture_note(pages, drawn),
    )


def _drawn(
    folder: DocumentFolder, parsed: ParsedFiles, pages: Sequence[PageSummary], limits: Limits, report: Report, seeing: Seeing
) -> list[Drawn]:
    """The page images that belong in the prompt, drawn now."""
    chosen = seeing.chosen(pages)
    if not chosen:
        return []
    parsed.pictures.mkdir()
    images = draw_pages(folder, parsed, [page.number for page in chosen], limits, report)
    return laid_out(seeing.sight, chosen, images)


def open_prompt(documents: Sequence[tuple[str, str, DocumentFolder]], lexical_path: Path, salt: str) -> Prompt:
    """A prompt over read documents, each (id, name, folder). Large arrays stay on disk, memory-mapped."""
    return Prompt(tuple(_prompt_document(id, name, folder) for id, name, folder in documents), lexical_path, salt)


def index_document(lexical_path: Path, id: str, folder: DocumentFolder) -> None:
    """Puts a read document's chunks into the lexical index, in place of what the index had of it."""
    LexicalIndex(lexical_path).put(id, _bodies(_prompt_document(id, "", folder)))


def _prompt_document(id: str, name: str, folder: DocumentFolder) -> PromptDocument:
    parsed = folder.parsed
    ids, rows = opened_array(parsed.ids, _IDS), opened_array(parsed.chunks, CHUNK_ROW)
    return PromptDocument(id, name, ids, rows, parsed.text, read_pictures(parsed), is_code(name))


def _bodies(document: PromptDocument) -> Iterator[str]:
    text = document.text()
    return (text[int(row["start_char"]) : int(row["end_char"])] for row in document.rows)
