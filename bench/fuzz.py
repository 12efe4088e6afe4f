"""Small good files of every format (tests.ingest.seeds), those of `--files FOLDER` as they are and, if they are small, as seeds too: harmed
in thousands of ways and read as uploads are. Each must be read or refused in a sentence; none may end its process, reach the network or
another file, or leave a file behind. LONGREAD_BENCH_FUZZ says how often each is harmed. OCR takes seconds a file: it reads the files of
the folder as they are, and scans that are harmed, a tenth as often.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import sys
import tempfile
import time
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random
from unittest.mock import patch

import pypdfium2 as pdfium

from bench.files import named_folder, walked
from bench.row import Measured, Row
from engine.tokenizer import Tokenizer
from ingest.apart import ParsingProcess
from ingest.archive import expand
from ingest.ask import model_folder
from ingest.document import read_document
from ingest.errors import IngestError
from ingest.limits import Limits
from ingest.parsers.registry import is_archive
from ingest.prompt.builder import Encoder
from ingest.storage import DocumentFolder
from tests.ingest import packages, pdfs
from tests.ingest.seeds import SEEDS

TIMES = 100
_SEED_BYTES = 30_000  # of a few pages: harming a long one is slow and shows no more
_LIMITS = Limits(ocr_processes=0)
_BY_OCR = Limits()
_OCR_SHARE = 10
_SCAN_SCALE = 100 / 72
_SECRET = "mauve-ferret-7731"  # noqa: S105 -- stands in a file that no upload may reach
_SPLICED = [b"<", b">", b"&#0;", b"&e;", b"99999999999", b"-1", b"\xff\xfe", b"{", b"}", b"\\u-9 ", b'"', b"\0", b"(", b"/Kids[2 0 R]"]


class End(StrEnum):
    READ = "were read"
    REFUSED = "were refused"
    UNFORESEEN = "were refused, unforeseen"
    CRASHED = "ended their process"
    HARMED = "did harm"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a file came to. `said` is the sentence for its owner, or what harm it did."""

    name: str
    end: End
    said: str
    seconds: float


@dataclass(slots=True)
class Sandbox:
    """A folder in which documents are read, with a secret beside it and a server that nobody is to call."""

    folder: Path
    tokenizer: Encoder
    server: socket.socket
    process: ParsingProcess = field(default_factory=ParsingProcess)

    @property
    def entity(self) -> bytes:
        """A document type that fetches the secret, and asks the server for more."""
        asked = f'<!ENTITY % p SYSTEM "{self.address}d.dtd"> %p;'
        return f'<!DOCTYPE x [{asked}<!ENTITY e SYSTEM "{(self.folder / "secret").as_uri()}">]>'.encode()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.getsockname()[1]}/"

    def attempt(self, name: str, content: bytes, limits: Limits | None = None) -> Tried:
        """Reads the bytes as a file of that name and looks at what is there afterwards."""
        document = DocumentFolder(self.folder / "documents", uuid.uuid4())
        document.folder.mkdir()
        document.original.write_bytes(content)
        started = time.perf_counter()
        end, said = self._read(name, document, limits or _LIMITS)
        seconds = time.perf_counter() - started
        harm = self._harm(document)
        shutil.rmtree(document.folder)
        return Tried(name, End.HARMED if harm else end, harm or said, seconds)

    def _read(self, name: str, document: DocumentFolder, limits: Limits) -> tuple[End, str]:
        try:
            if is_archive(document.original, name):
                (document.folder / "parsed").mkdir()
                for _ in expand(document.original, name, document.folder / "parsed", limits):
                    pass
            else:
                read_document(name, "", document, self.tokenizer, limits=limits, process=self.process)
        except IngestError as error:
            return _end_of(str(error)), str(error)
        except Exception as error:  # in the worker itself
            return End.CRASHED, repr(error)
        return End.READ, ""

    def _harm(self, document: DocumentFolder) -> str:
        """What no file may do, as words; '' if it did not."""
        try:
            self.server.accept()[0].close()
        except BlockingIOError:
            pass
        else:
            return "called a server"
        beside = {path.name for path in (*self.folder.iterdir(), *self.folder.glob("documents/*"), *self.folder.glob("temporary/*"))}
        if strays := beside - {"documents", "secret", "temporary", document.folder.name}:
            return f"left {', '.join(sorted(strays))} outside of its folder"
        if strays := {path.name for path in document.folder.iterdir()} - {"original", "parsed"}:
            return f"left {', '.join(sorted(strays))} behind"
        if document.parsed.text.exists() and _SECRET in document.parsed.text.read_text(encoding="utf-8"):
            return "read another file"
        return ""


def run() -> Measured:
    """All formats, in some minutes."""
    times, named = int(os.environ.get("LONGREAD_BENCH_FUZZ", TIMES)), named_folder()
    with sandbox(Tokenizer.open(model_folder())) as box, tempfile.TemporaryDirectory() as unpacked:
        files = list(walked(named, Path(unpacked))) if named else []
        tried = [box.attempt(file.name, file.path.read_bytes(), _BY_OCR) for file in files]
        _say_all(tried)
        small = {file.name: file.path.read_bytes() for file in files if file.path.stat().st_size <= _SEED_BYTES}
        for name, seed in ({name: make() for name, make in SEEDS.items()} | small).items():
            tried += harming(box, name, seed, times)
        for name, scan in scans().items():
            tried += harming(box, name, scan, times // _OCR_SHARE, _BY_OCR)
        return told(tried, box.process.peak_bytes)


def scans() -> dict[str, bytes]:
    """A page as a scanner sees it, in each format that pictures come in."""
    with pdfium.PdfDocument(pdfs.pages_of_text([(72, 72, "The rent is 40 euros."), (72, 90, "It falls due in March.")])) as document:
        page = document[0].render(scale=_SCAN_SCALE).to_pil().convert("L")
    made = {}
    for form in ("PDF", "PNG", "JPEG", "TIFF", "WEBP"):
        target = io.BytesIO()
        page.save(target, form)
        made[f"scan.{form.lower()}"] = target.getvalue()
    return made


def _say_all(tried: Sequence[Tried]) -> None:
    for file in tried:
        print(f"{file.name}: {file.end}, {file.seconds:.1f} s. {file.said}".rstrip(), file=sys.stderr)


@contextmanager
def sandbox(tokenizer: Encoder) -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory() as root, socket.socket() as server:
        folder = Path(root)
        for name in ("documents", "temporary"):
            (folder / name).mkdir()
        (folder / "secret").write_text(_SECRET)
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        box = Sandbox(folder, tokenizer, server)
        # The process that parses has its variables from here, when the first file starts it.
        with patch.dict(os.environ, TMPDIR=str(folder / "temporary")):
            try:
                yield box
            finally:
                box.process.close()


def harming(box: Sandbox, name: str, seed: bytes, times: int, limits: Limits | None = None) -> Iterator[Tried]:
    """The seed as it is, then harmed so many times; the same ways each time."""
    yield box.attempt(name, seed, limits)
    chance = Random(name)  # noqa: S311 -- no secret
    for time_ in range(times):
        yield box.attempt(name, harmed_file(seed, chance, time_, box), limits)


def harmed_file(seed: bytes, chance: Random, time_: int, box: Sandbox) -> bytes:
    """Packages are mostly harmed in their parts, since a harmed package is soon refused."""
    if seed.startswith(b"PK") and time_ % 4:
        return harmed_inside(seed, chance, box.entity if time_ % 4 == 1 else b"")
    if seed.lstrip().startswith(b"<") and time_ % 4 == 1:
        return box.entity + f'<img src="{box.address}"><link rel="stylesheet" href="{box.address}">&e;'.encode() + harmed(seed, chance)
    return harmed(seed, chance)


def harmed(content: bytes, chance: Random) -> bytes:
    """With bytes changed, lost, doubled or put in."""
    harmed = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        place = chance.randrange(len(harmed) + 1)
        how = chance.randrange(4)
        if how == 0:
            harmed[place : place + 1] = bytes([chance.randrange(256)])
        elif how == 1:
            del harmed[place : place + chance.randrange(1, 40)]
        elif how == 2:
            harmed[place:place] = harmed[place // 2 : place // 2 + 60]
        else:
            harmed[place:place] = chance.choice(_SPLICED)
    return bytes(harmed)


def harmed_inside(content: bytes, chance: Random, entity: bytes) -> bytes:
    """A package with one or two of its parts harmed, or with an entity in one, and all sums right again."""
    parts = [name for name in zipfile.ZipFile(io.BytesIO(content)).namelist() if not name.endswith("/")]
    xml = [name for name in parts if name.endswith(("xml", ".rels", ".opf"))] or parts
    chosen = set(chance.choices(xml, k=2))

    def change(name: str, part: bytes) -> bytes:
        if name not in chosen:
            return part
        return with_entity(part, entity, chance) if entity else harmed(part, chance)

    return packages.changed(content, change)


def with_entity(part: bytes, entity: bytes, chance: Random) -> bytes:
    """An XML part that declares the entity, and names it after one of its tags."""
    opening = part.find(b"?>") + 2 if part.startswith(b"<?xml") else 0
    tags = [place for place in range(opening, len(part)) if part[place : place + 1] == b">"]
    place = chance.choice(tags) + 1 if tags else len(part)
    return part[:opening] + entity + part[opening:place] + b"&e;" + part[place:]


def told(tried: list[Tried], peak_bytes: int) -> Measured:
    ends = Counter(file.end for file in tried)
    for file in tried:
        if file.end not in (End.READ, End.REFUSED):
            print(f"files that {file.end}: {file.name}: {file.said}", file=sys.stderr)
    slowest = max(file.seconds for file in tried)
    rows = [Row(f"files that {end}", ends[end], "files") for end in End]
    rows += [Row("the slowest file", slowest, "s"), Row("most memory of a file's process", peak_bytes / 1e6, "MB")]
    figures: Mapping[str, float] = {end.name.lower(): ends[end] for end in End}
    return Measured(rows, {**figures, "files": len(tried), "slowest_s": slowest, "parser_mb": peak_bytes / 1e6})


def _end_of(said: str) -> End:
    if "makes its reader crash" in said or "was killed" in said or "answer with nonsense" in said:
        return End.CRASHED
    return End.UNFORESEEN if "nobody foresaw" in said or not said.endswith(".") else End.REFUSED
