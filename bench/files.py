"""The files that reading is measured on: those of the folder that `./run bench --files FOLDER` names, archives opened, or else what comes
with Longread, multiplied. Sorted by what they hold, never by their names alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pypdfium2 as pdfium

from bench.process import ROOT, BenchFailed
from ingest.archive import expand
from ingest.errors import IngestError
from ingest.limits import Limits
from ingest.parsers.code import is_code
from ingest.parsers.registry import is_archive
from ingest.parsers.sniff import Content, sniff

SAMPLES = ROOT / "samples"
CONTRACT = SAMPLES / "contract.pdf"
_COPIES = 25  # of the sample contract in each PDF made of it: 200 pages
_PDFS = 3
_CHARACTERS = 1_500_000  # of text and of code made of the samples: long enough that a start does not show
_LEAST_CHARACTERS = 50  # on a page that was written and not scanned
_WRITTEN_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class File:
    """`name` is what its owner calls it, with its path in an archive or folder."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Files:
    """PDFs that were born digital, text, and code. `pages` are those of each PDF."""

    pdfs: tuple[File, ...]
    pages: tuple[int, ...]
    texts: tuple[File, ...]
    code: tuple[File, ...]

    def of_pages(self, most: int) -> list[File]:
        """PDFs in a fixed random order, as many as have about that many pages together."""
        chosen, pages = [], 0
        for index in Random(7).sample(range(len(self.pdfs)), len(self.pdfs)):  # noqa: S311 -- no secret
            if pages < most:
                chosen.append(self.pdfs[index])
                pages += self.pages[index]
        return chosen


def name_folder(folder: Path) -> None:
    """For this process and those that it starts."""
    os.environ["LONGREAD_BENCH_FILES"] = str(folder.resolve())


def named_folder() -> Path | None:
    named = os.environ.get("LONGREAD_BENCH_FILES")
    return Path(named) if named else None


@contextmanager
def chosen() -> Iterator[Files]:
    """Raises BenchFailed if there are none. What is unpacked or made goes when the block ends."""
    with tempfile.TemporaryDirectory() as made:
        named = named_folder()
        found = sorted_files(list(walked(named, Path(made)) if named else multiplied(Path(made))))
        if not (found.pdfs or found.texts or found.code):
            raise BenchFailed(f"{named} has no PDF, text or code that can be read. Name another folder with --files.")
        yield found


def walked(folder: Path, into: Path) -> Iterator[File]:
    """The files of a folder, and after each archive its members."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        yield File(name, path)
        if is_archive(path, name):
            yield from _members(path, name, into)


def _members(archive: Path, name: str, into: Path) -> Iterator[File]:
    folder = Path(tempfile.mkdtemp(dir=into))
    try:
        for member in expand(archive, name, folder, Limits()):
            if member.file is not None:
                yield File(f"{name}/{member.path}", member.file)
    except IngestError:
        return  # a hostile one; what was unpacked until then counts


def sorted_files(files: Sequence[File]) -> Files:
    contents = [(file, sniff(file.path)) for file in files]
    written = [(file, pages) for file, content in contents if content is Content.PDF and (pages := written_pages(file.path))]
    plain = [file for file, content in contents if content is Content.TEXT]
    return Files(
        pdfs=tuple(file for file, _ in written),
        pages=tuple(pages for _, pages in written),
        texts=tuple(file for file in plain if not is_code(file.name)),
        code=tuple(file for file in plain if is_code(file.name)),
    )


def written_pages(path: Path) -> int:
    """How many pages a PDF has that was born digital; 0 for scans, and for what cannot be opened."""
    try:
        with pdfium.PdfDocument(path) as document:
            written = [page.get_textpage().count_chars() >= _LEAST_CHARACTERS for page in document]
    except pdfium.PdfiumError:
        return 0
    return len(written) if sum(written) >= _WRITTEN_SHARE * len(written) else 0


def multiplied(into: Path) -> Iterator[File]:
    """The sample contract as long PDFs, the handbook as a book, and the sample code as a long file."""
    for number in range(_PDFS):
        yield File(f"contract-{number}.pdf", contract_of(_COPIES, into / f"{number}.pdf"))
    for name in ("handbook.md", "code/tollroad/fees.py"):
        once = (SAMPLES / name).read_text(encoding="utf-8")
        path = into / Path(name).name
        path.write_text(once * (_CHARACTERS // len(once)), encoding="utf-8")
        yield File(name, path)


def contract_of(copies: int, path: Path) -> Path:
    """Writes a PDF that holds the sample contract's eight pages so many times."""
    with pdfium.PdfDocument.new() as whole, pdfium.PdfDocument(CONTRACT) as once:
        for _ in range(copies):
            whole.import_pages(once)
        whole.save(path)
    return path
