"""Files on this machine as read documents, for the terminal: each is read once and kept under the hash of its content.

    <home>/ask/<sha256>/<document id>/     one folder a document (ingest.storage); an archive has many
    <home>/ask/<sha256>/sources.json       written last: the file was read to its end
    <home>/ask/prompts/<sha256>/           the lexical index of documents that were asked together

Knows no model but its tokenizer, and no rows: the application keeps its own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.prompt import Prompt
from ingest.archive import expand
from ingest.code_folders import CodeFolders
from ingest.document import index_document, open_prompt, read_document
from ingest.errors import FileRefused, IngestError, PasswordNeeded
from ingest.held import held_folder
from ingest.ignoring import FILE_BYTES, FILE_NAME, Ignored
from ingest.limit_settings import limits_from
from ingest.parsers.registry import is_archive
from ingest.passwords import Passwords
from ingest.progress import Progress, Report
from ingest.prompt.builder import Encoder
from ingest.prompt.pictures import Seeing
from ingest.skipping import HEAD_BYTES, reason_in_head, reason_to_skip
from ingest.storage import DocumentFolder

_FORMAT = "10"  # counts up when a parse would give something else, so that what was kept before is read again
_SALT = "terminal"


@dataclass(frozen=True, slots=True)
class Source:
    """One read document. `name` is the file that was asked, `path` the member's path if that file is an archive, else ''."""

    id: str
    name: str
    path: str
    root: str

    @property
    def folder(self) -> DocumentFolder:
        return DocumentFolder(Path(self.root), uuid.UUID(self.id))


@dataclass(frozen=True, slots=True)
class Sources:
    """What was read, and a sentence for each file that was not."""

    read: tuple[Source, ...]
    refused: tuple[str, ...]


def read_sources(
    files: Sequence[Path],
    home: Path,
    tokenizer: Encoder,
    report: Report,
    seeing: Seeing | None = None,
    passwords: Passwords | None = None,
) -> Sources:
    """Reads files and the files of folders, in order; what was read before is not read again. Refuses file by file."""
    reader = _Reader(home / "ask", tokenizer, report, seeing, passwords or Passwords())
    read: list[Source] = []
    refused: list[str] = []
    for name, file in _walked(files):
        try:
            read.extend(reader.sources(name, file))
        except PasswordNeeded:
            refused.append(f"{name}: This PDF needs a password. A terminal asks for it; elsewhere, give it with --password-file.")
        except IngestError as error:
            refused.append(f"{name}: {error}")
        except OSError as error:
            refused.append(f"{name}: {error.strerror or error}. Check the path and your rights to it.")
    return Sources(tuple({source.id: source for source in read}.values()), tuple(refused))


def prompt_over(sources: Sequence[Source], home: Path) -> Prompt:
    """One prompt over read documents. Its lexical index is made once for each set of documents."""
    digest = hashlib.sha256("\n".join(source.id for source in sources).encode()).hexdigest()
    kept = home / "ask" / "prompts" / digest
    if not kept.exists():
        _index(sources, kept)
    documents = [(source.id, source.path or source.name, source.folder) for source in sources]
    return open_prompt(documents, kept / "lexical.sqlite3", _SALT)


def _walked(files: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """(name, file): a folder's files are named by their path in it, and those that no repository keeps are passed over."""
    for file in files:
        if not file.is_dir():
            yield file.name, file
            continue
        ignored, code = _ignored(file), CodeFolders()
        names = {path.relative_to(file).as_posix(): path for path in sorted(file.rglob("*")) if path.is_file() and not path.is_symlink()}
        for name in names:
            code.add(name)
        for name, found in names.items():
            if not ignored.matches(name) and not _is_skipped(name, found, code.hold(name)):
                yield name, found


def _is_skipped(name: str, file: Path, is_among_code: bool) -> bool:
    if reason_to_skip(name, is_among_code=is_among_code):
        return True
    with suppress(OSError), file.open("rb") as opened:  # whoever reads it says why it cannot be
        return reason_in_head(name, opened.read(HEAD_BYTES), is_among_code=is_among_code) is not None
    return False


def _ignored(folder: Path) -> Ignored:
    ignored = Ignored()
    for found in folder.rglob(FILE_NAME):
        if found.is_file() and not found.is_symlink():
            with found.open("rb") as content:
                ignored.add(found.relative_to(folder).as_posix(), content.read(FILE_BYTES))
    return ignored


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads files onto the shelf."""

    shelf: Path
    tokenizer: Encoder
    report: Report
    seeing: Seeing | None
    passwords: Passwords

    def sources(self, name: str, file: Path) -> list[Source]:
        root = self.shelf / _content_hash(name, file, self.seeing)
        listing = root / "sources.json"
        if listing.is_file():
            listed = json.loads(listing.read_text(encoding="utf-8"))
            if not (listed["locked"] and self.passwords.given):
                return [Source(**source) for source in listed["sources"]]
        sources, locked = self._archive(name, file, root) if is_archive(file, name) else ([self._file(name, "", file, root)], 0)
        partial = listing.with_suffix(".partial")
        partial.write_text(json.dumps({"sources": [asdict(source) for source in sources], "locked": locked}), encoding="utf-8")
        partial.replace(listing)
        return sources

    def _archive(self, name: str, file: Path, root: Path) -> tuple[list[Source], int]:
        """An archive's members, one after the other, and how many need a password; one that cannot be read does not stop the others."""
        sources, locked = [], 0
        with held_folder(root, "unpack-") as unpacked:
            for count, member in enumerate(expand(file, name, unpacked, limits_from()), 1):
                self.report(Progress(f"unpacking {name}", count, 0, "files"))
                if member.file is None:
                    continue
                try:
                    sources.append(self._file(name, member.path, member.file, root))
                except IngestError as error:
                    locked += isinstance(error, PasswordNeeded)
                    self.report(Progress(f"skipped {member.path}: {error}", count, 0, "files"))
        if not sources:
            raise FileRefused("Nothing in this archive can be read. Pack documents or source code.")
        return sources, locked

    def _file(self, name: str, path: str, file: Path, root: Path) -> Source:
        source = Source(str(uuid.uuid5(uuid.NAMESPACE_URL, f"{root.name}/{path}")), name, path, str(root))
        source.folder.folder.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(file, source.folder.original)
            try:
                self._read(source)
            except PasswordNeeded:
                if not self.passwords.unlock(path or name, source.folder, limits_from()):
                    raise
                self._read(source)
        except IngestError:
            source.folder.delete()
            raise
        return source

    def _read(self, source: Source) -> None:
        limits = limits_from()
        read_document(source.name, source.path, source.folder, self.tokenizer, limits=limits, report=self.report, seeing=self.seeing)


def _content_hash(name: str, file: Path, seeing: Seeing | None) -> str:
    """Of the content, of the name, which stands in the header of every chunk, how page images are laid out, and whether scans are read."""
    with file.open("rb") as opened:
        content = hashlib.file_digest(opened, "sha256").hexdigest()
    return hashlib.sha256(f"{_FORMAT}\n{limits_from().ocr_processes > 0}\n{name}\n{content}\n{seeing or ''}".encode()).hexdigest()


def _index(sources: Sequence[Source], kept: Path) -> None:
    with held_folder(kept.parent, "making-") as folder:
        fresh = folder / "index"
        for source in sources:
            index_document(fresh / "lexical.sqlite3", source.id, source.folder)
        if not kept.exists():
            fresh.rename(kept)
