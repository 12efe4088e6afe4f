"""Where the files of a document lie on disk. No name that a user chose ever becomes a path.

<root>/<document id>/original         what was uploaded, byte for byte
<root>/<document id>/unlocked         the same without its password, where one was needed and given (ingest.unlocking)
<root>/<document id>/incoming         an archive's new version, until it takes the original's place
<root>/<document id>/making.json      documents that are being made of its files (webapp.upload.unpacking)
<root>/<document id>/skipped.json     what was left out of an archive, and why (webapp.library.skipped)
<root>/<document id>/parsed/          everything made from it, swapped in whole (see `replacing`)
    text.txt                          the extracted text, UTF-8; pages are separated by a form feed
    pages.json  words.npy             the page map's data (ingest.prompt.page_map)
    ids.npy  chunks.npy               the prompt's tokens and chunk rows (engine.prompt)
    embedded/                         the pictures in an office file or book, by their numbers (ingest.parsers.embedded)
    pictures/  pictures.json          the page images that stand in the prompt, and where (ingest.prompt.pictures)
<root>/<document id>/images/          page images, drawn ahead or when first looked at
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.held import held_folder, sweep


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

    @property
    def embedded(self) -> Path:
        return self.folder / "embedded"

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"

    @property
    def placed_pictures(self) -> Path:
        return self.folder / "pictures.json"


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
    def unlocked(self) -> Path:
        return self.folder / "unlocked"

    @property
    def readable(self) -> Path:
        """What is parsed and drawn: the original, or its copy without a password. A copy of an older original is none."""
        try:
            is_newer = self.unlocked.stat().st_mtime_ns >= self.original.stat().st_mtime_ns
        except FileNotFoundError:
            return self.original
        return self.unlocked if is_newer else self.original

    def drawn_from(self, parsed: ParsedFiles) -> Path:
        """What its page images are drawn from: the pages of the file, or the folder of the pictures in it (ingest.pictures)."""
        return parsed.embedded if parsed.embedded.is_dir() else self.readable

    @property
    def incoming(self) -> Path:
        return self.folder / "incoming"

    @property
    def making(self) -> Path:
        return self.folder / "making.json"

    @property
    def skipped(self) -> Path:
        return self.folder / "skipped.json"

    @property
    def parsed(self) -> ParsedFiles:
        return ParsedFiles(self.folder / "parsed")

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @contextmanager
    def replacing(self) -> Iterator[ParsedFiles]:
        """Files of a new parse, which take the old one's place when the block ends well and vanish when it does not."""
        sweep(self.folder, "old.")
        with held_folder(self.folder, "parsed.") as fresh:
            yield ParsedFiles(fresh)
            old = self.folder / f"old.{uuid.uuid4().hex}"
            if self.parsed.folder.exists():
                self.parsed.folder.rename(old)
            fresh.rename(self.parsed.folder)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(self.images, ignore_errors=True)

    def delete(self) -> None:
        """Removes everything. Safe to call twice."""
        shutil.rmtree(self.folder, ignore_errors=True)
