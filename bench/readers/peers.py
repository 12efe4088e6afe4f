"""What others make of the same files, each as its own documentation says: the bare text of PDFs by pypdf, by pypdfium2 and by markitdown,
and the tokens of text by the tokenizer alone. None keeps where a word stands, and none is kept from what a file may do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pypdfium2 as pdfium
from pypdf import PdfReader

from bench.process import Figures, Request, answer
from bench.timing import seconds_of
from engine.tokenizer import Tokenizer
from ingest.ask import model_folder

Read = Callable[[Path], tuple[int, int]]
"""A file to (pages, tokens)."""


def pypdf() -> Read:
    def read(path: Path) -> tuple[int, int]:
        return sum(page.extract_text() is not None for page in PdfReader(path).pages), 0

    return read


def pypdfium2() -> Read:
    def read(path: Path) -> tuple[int, int]:
        with pdfium.PdfDocument(path) as document:
            return sum(page.get_textpage().get_text_range() is not None for page in document), 0

    return read


def markitdown() -> Read:
    from markitdown import MarkItDown  # it alone of the peers takes seconds to import

    converter = MarkItDown()

    def read(path: Path) -> tuple[int, int]:
        with pdfium.PdfDocument(path) as document:
            pages = len(document)
        return pages if converter.convert(path, file_extension=".pdf").text_content else 0, 0

    return read


def tokenizer() -> Read:
    os.environ["RAYON_NUM_THREADS"] = "1"  # as the others
    tokens = Tokenizer.open(model_folder())

    def read(path: Path) -> tuple[int, int]:
        return 0, len(tokens.encode(path.read_text(encoding="utf-8", errors="replace")))

    return read


READERS: dict[str, Callable[[], Read]] = {"pypdf": pypdf, "pypdfium2": pypdfium2, "markitdown": markitdown, "tokenizer": tokenizer}


def measure(request: Request) -> Figures:
    """`seconds`, `pages` and `tokens`, and how many files it `refused`."""
    read = READERS[request["reader"]]()
    found = {"pages": 0.0, "tokens": 0.0, "refused": 0.0}

    def read_all() -> None:
        for _, path in request["files"]:
            try:
                pages, tokens = read(Path(path))
            except Exception:  # each has its own kinds
                found["refused"] += 1
                continue
            found["pages"] += pages
            found["tokens"] += tokens

    seconds = seconds_of(read_all)
    return found | {"seconds": seconds}


if __name__ == "__main__":
    answer(measure)
