"""Longread: from files to prompts that can be asked, their words indexed, as an upload is, but for its rows."""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from bench.process import Figures, Request, answer
from engine.tokenizer import Tokenizer
from ingest.apart import PARSING
from ingest.ask import model_folder
from ingest.document import index_document, read_document
from ingest.errors import IngestError
from ingest.storage import DocumentFolder


def measure(request: Request) -> Figures:
    """`seconds`, `pages`, `tokens`, `refused` files, and `parser_mb`: the most memory that a file's own process held."""
    tokenizer = Tokenizer.open(model_folder())
    with tempfile.TemporaryDirectory() as root:
        stored = [(name, _stored(Path(root), Path(path))) for name, path in request["files"]]
        _read(
            sorted(stored, key=_bytes)[:1], tokenizer, Path(root)
        )  # starts the other process, and loads what is loaded with the first file
        started = time.perf_counter()
        found = _read(stored, tokenizer, Path(root))
        seconds = time.perf_counter() - started
    PARSING.close()
    return found | {"seconds": seconds, "parser_mb": PARSING.peak_bytes / (1 << 20)}


def _read(stored: Sequence[tuple[str, DocumentFolder]], tokenizer: Tokenizer, root: Path) -> Figures:
    found = {"pages": 0.0, "tokens": 0.0, "refused": 0.0}
    for name, folder in stored:
        try:
            summary = read_document(name, "", folder, tokenizer)
        except IngestError:
            found["refused"] += 1
            continue
        index_document(root / "lexical.sqlite3", str(folder.id), folder)
        found["pages"] += len(summary.pages)
        found["tokens"] += summary.tokens
    return found


def _bytes(file: tuple[str, DocumentFolder]) -> int:
    return file[1].original.stat().st_size


def _stored(root: Path, path: Path) -> DocumentFolder:
    folder = DocumentFolder(root, uuid.uuid4())
    folder.folder.mkdir()
    shutil.copyfile(path, folder.original)
    return folder


if __name__ == "__main__":
    answer(measure)
