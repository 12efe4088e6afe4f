"""Where the files of a document lie on disk. No name that a user chose ever becomes a path.

<root>/<document id>/original         what was uploaded, byte for byte
<root>/<document id>/parsed/          everything made from it, swapped in whole (see `replacing`)
    text.txt                          the extracted text, UTF-8; pages are separated by a form feed
    pages.json  words.npy             the page map's data (ingest.prompt.page_map)
    ids.npy  chunks.npy               the prompt's tokens and chunk rows (engine.prompt)
<root>/<document id>/images/          page images, drawn ahead or when first looked at
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ParsedFiles:
    """Paths of one parse of one document."""

    folder: Path

    @property
    def text(self) -> Path:
        return self.folder / "text.txt"

    @property
    def pages(self) -> Path:
        return self.folder / "pages.json"

    @property
    def words(self) -> Path:
        return self.folder / "words.npy"

    @property
    def ids(self) -> Path:
        return self.folder / "ids.npy"

    @property
    def chunks(self) -> Path:
        return self.folder / "chunks.npy"


@dataclass(frozen=True, slots=True)
class DocumentFolder:
    """The folder of one document; `id` is a UUID (or its text), so no user's words are part of the path."""

    root: Path
    id: uuid.UUID | str

    @property
    def folder(self) -> Path:
        return self.root / str(self.id)

    @property
    def original(self) -> Path:
        return self.folder / "original"

    @property
    def parsed(self) -> ParsedFiles:
        return ParsedFiles(self.folder / "parsed")

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @contextmanager
    def replacing(self) -> Iterator[ParsedFiles]:
        """Files of a new parse, which take the old one's place when the block ends well and vanish when it does not."""
        fresh = self.folder / f"parsed.{uuid.uuid4().hex}"
        fresh.mkdir(parents=True)
        try:
            yield ParsedFiles(fresh)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        old = self.folder / f"old.{uuid.uuid4().hex}"
        if self.parsed.folder.exists():
            self.parsed.folder.rename(old)
        fresh.rename(self.parsed.folder)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(self.images, ignore_errors=True)

    def delete(self) -> None:
        """Removes everything. Safe to call twice."""
        shutil.rmtree(self.folder, ignore_errors=True)
