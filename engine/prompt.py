"""What the engine reads: a prompt is documents, a document is chunks of token ids.

Every document starts a chunk. A chunk is a header (which document, which section or file, which page) followed by a body that stands
byte for byte in the document's text, so a chunk read alone knows where it is and every token of a body has its place in the source.
Knows no file format, no model and no database. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TokenArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ImageSegment:
    """A page image in a chunk: its file, and where its tokens stand in `Chunk.ids` (`first_token` to `end_token`, image_start to
    image_end). `tiles` is (rows, columns) of the grid that those tokens lay out; `digest` names the file's content, for the store's key."""

    path: Path
    digest: str
    first_token: int
    end_token: int
    tiles: tuple[int, int]


# One row a chunk: where its tokens lie in the document's `ids`, how many of them are header, and the body's characters in the text.
CHUNK_ROW = np.dtype(
    [
        ("first_token", np.int64),
        ("end_token", np.int64),
        ("header_tokens", np.int32),
        ("start_char", np.int64),
        ("end_char", np.int64),
    ]
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of one document. `ids` is header, page images, then body, int32 [tokens]; `images` in order, none for most chunks.

    An image's tokens stand before the body and count as header, so that every token of the body stands in the text.
    """

    document: str
    index: int
    ids: TokenArray
    header_tokens: int
    start_char: int
    end_char: int
    images: tuple[ImageSegment, ...] = ()

    @property
    def body(self) -> TokenArray:
        """The tokens that stand in the document, int32 [tokens - header_tokens]."""
        return self.ids[self.header_tokens :]


@dataclass(frozen=True, slots=True)
class PromptDocument:
    """One document of a prompt. The arrays may be memory maps; the text stays on disk until somebody asks for it.

    `images`: the page images of the chunks that have some, by the chunk's number. `is_code`: a file of a program."""

    id: str
    name: str
    ids: TokenArray
    rows: NDArray[np.void]
    text_path: Path
    images: Mapping[int, tuple[ImageSegment, ...]] = field(default_factory=dict)
    is_code: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def chunk(self, index: int) -> Chunk:
        row = self.rows[index]
        return Chunk(
            document=self.id,
            index=index,
            ids=self.ids[int(row["first_token"]) : int(row["end_token"])],
            header_tokens=int(row["header_tokens"]),
            start_char=int(row["start_char"]),
            end_char=int(row["end_char"]),
            images=self.images.get(index, ()),
        )

    def chunks(self) -> Iterator[Chunk]:
        return (self.chunk(index) for index in range(len(self)))

    def text(self) -> str:
        """The whole source text, exactly as it was extracted."""
        with self.text_path.open(encoding="utf-8", newline="") as file:
            return file.read()


@dataclass(frozen=True, slots=True)
class Prompt:
    """Documents in order, the lexical index over their chunks, and the owner's salt (two owners never share stored state)."""

    documents: tuple[PromptDocument, ...]
    lexical_path: Path
    salt: str

    @property
    def tokens(self) -> int:
        return sum(len(document.ids) for document in self.documents)

    @property
    def chunks(self) -> int:
        return sum(len(document) for document in self.documents)

    def document(self, id: str) -> PromptDocument:
        """The document of that id. Raises KeyError."""
        for document in self.documents:
            if document.id == id:
                return document
        raise KeyError(id)
