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
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.prompt import Prompt
from ingest.archive import expand
from ingest.document import index_document, open_prompt, read_document
from ingest.errors import FileRefused, IngestError
from ingest.limits import Limits
from ingest.parsers.registry import is_archive
from ingest.progress import Progress, Report
from ingest.prompt.builder import Encoder
from ingest.skipping import reason_to_skip
from ingest.storage import DocumentFolder

_FORMAT = "5"  # counts up when a parse would give something else, so that what was kept before is read again
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


def read_sources(files: Sequence[Path], home: Path, tokenizer: Encoder, report: Report) -> Sources:
    """Reads files and the files of folders, in order; what was read before is not read again. Refuses file by file."""
    read: list[Source] = []
    refused: list[str] = []
    for name, file in _walked(files):
        try:
            read.extend(_sources(name, file, home / "ask", tokenizer, report))
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
        for found in sorted(path for path in file.rglob("*") if path.is_file() and not path.is_symlink()):
            name = found.relative_to(file).as_posix()
            if is_archive(found, name) or not reason_to_skip(name):
                yield name, found


def _sources(name: str, file: Path, shelf: Path, tokenizer: Encoder, report: Report) -> list[Source]:
    root = shelf / _content_hash(name, file)
    listing = root / "sources.json"
    if listing.is_file():
        return [Source(**source) for source in json.loads(listing.read_text(encoding="utf-8"))]
    if is_archive(file, name):
        sources = list(_read_archive(name, file, root, tokenizer, report))
    else:
        sources = [_read(name, "", file, root, tokenizer, report)]
    partial = listing.with_suffix(".partial")
    partial.write_text(json.dumps([asdict(source) for source in sources]), encoding="utf-8")
    partial.replace(listing)
    return sources


def _read_archive(name: str, file: Path, root: Path, tokenizer: Encoder, report: Report) -> Iterator[Source]:
    """An archive's members, one after the other; a member that cannot be read does not stop the others."""
    root.mkdir(parents=True, exist_ok=True)
    found = False
    with tempfile.TemporaryDirectory(dir=root) as unpacked:
        for count, member in enumerate(expand(file, Path(unpacked), Limits()), 1):
            report(Progress(f"unpacking {name}", count, 0, "files"))
            if member.file is None:
                continue
            try:
                yield _read(name, member.path, member.file, root, tokenizer, report)
                found = True
            except IngestError as error:
                report(Progress(f"skipped {member.path}: {error}", count, 0, "files"))
    if not found:
        raise FileRefused("Nothing in this archive can be read. Pack documents or source code.")


def _read(name: str, path: str, file: Path, root: Path, tokenizer: Encoder, report: Report) -> Source:
    source = Source(str(uuid.uuid5(uuid.NAMESPACE_URL, f"{root.name}/{path}")), name, path, str(root))
    source.folder.folder.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(file, source.folder.original)
        read_document(name, path, source.folder, tokenizer, report=report)
    except IngestError:
        source.folder.delete()
        raise
    return source


def _content_hash(name: str, file: Path) -> str:
    """Of the content and of the name, which stands in the header of every chunk."""
    with file.open("rb") as opened:
        content = hashlib.file_digest(opened, "sha256").hexdigest()
    return hashlib.sha256(f"{_FORMAT}\n{name}\n{content}".encode()).hexdigest()


def _index(sources: Sequence[Source], kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as partial:
        fresh = Path(partial) / "index"
        for source in sources:
            index_document(fresh / "lexical.sqlite3", source.id, source.folder)
        if not kept.exists():
            fresh.rename(kept)
