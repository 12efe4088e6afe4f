"""A tokenizer without weights, folders of documents, and small PDFs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ingest.document import read_document
from ingest.limits import Limits
from ingest.model import DocumentSummary, Kind
from ingest.parsers.base import ParserContext
from ingest.parsers.registry import choose_parser, is_archive
from ingest.storage import DocumentFolder


class ByteTokenizer:
    """Tokens of one to three bytes that cut right through characters, as a byte-level vocabulary may. Knows lengths only."""

    byte_lengths = np.array([0, 1, 2, 3], dtype=np.int32)

    def encode(self, text: str) -> np.ndarray:
        length = len(text.encode("utf-8"))
        pattern = [3, 1, 2]
        ids: list[int] = []
        while length:
            ids.append(min(pattern[len(ids) % 3], length))
            length -= ids[-1]
        return np.array(ids, dtype=np.int32)


@pytest.fixture
def tokenizer() -> ByteTokenizer:
    return ByteTokenizer()


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[bytes], DocumentFolder]:
    """Puts bytes where an upload's original lies."""

    def store(content: bytes) -> DocumentFolder:
        folder = DocumentFolder(tmp_path / "documents", uuid.uuid4())
        folder.folder.mkdir(parents=True)
        folder.original.write_bytes(content)
        return folder

    return store


@pytest.fixture
def read(
    stored: Callable[[bytes], DocumentFolder], tokenizer: ByteTokenizer
) -> Callable[[str, bytes], tuple[DocumentFolder, DocumentSummary]]:
    """Reads bytes under a name, to the end."""

    def read_bytes(name: str, content: bytes) -> tuple[DocumentFolder, DocumentSummary]:
        folder = stored(content)
        return folder, read_document(name, "", folder, tokenizer)

    return read_bytes


@pytest.fixture
def text_of(tmp_path: Path) -> Callable[..., str]:
    """Parses bytes under a name, in this process: the text of a document without pages."""

    def read_bytes(content: bytes, name: str = "file", limits: Limits | None = None) -> str:
        source = tmp_path / "original"
        source.write_bytes(content)
        parser = choose_parser(source, name, limits or Limits())
        assert parser.kind is Kind.TEXT
        assert not is_archive(source, name)
        return "".join(page.text for page in parser.parse(source, ParserContext(limits or Limits())))

    return read_bytes
