"""How well and how quickly scans are read: pages that were born digital, drawn as grey pictures at two resolutions and read by OCR, beside
RapidOCR as its wheel is set. The text that the pages had is the measure of both.
"""

from __future__ import annotations

import json
import os
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pypdfium2 as pdfium
from rapidfuzz.distance import Levenshtein

from bench.files import File, Files, chosen
from bench.process import BenchFailed, Figures, measured
from bench.quotes import SENTENCE, bare
from bench.rasterise import rasterise
from bench.readers.scans import ours
from bench.row import Measured, Row
from engine.alike import plain

PAGES = 24
PEER_PAGES = 8  # what a page of RapidOCR takes, ours takes too
DPIS = (150, 300)
CORES = os.cpu_count() or 1
PEER = "RapidOCR as it is set"
_LEAST_CHARACTERS = 500  # fewer are a title, or signatures


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader made of a scan: `figures` as bench.readers.scans has them, and each page's text."""

    figures: Figures
    texts: list[str]

    @property
    def seconds_a_page(self) -> float:
        return self.figures["seconds"] / self.figures["pages"]


@dataclass(frozen=True, slots=True)
class Marks:
    """Edits a character, white space made one blank; `plain_errors` with all quotation marks and dashes made plain ones in both. Sentences
    `found` as they stand, and `alike`: as `plain_errors` compares them, and whatever the hyphens at line ends."""

    errors: float
    plain_errors: float
    sentences: int
    found: int
    alike: int


def run() -> Measured:
    """All of it, in about five minutes."""
    rows: list[Row] = []
    figures: Figures = {}
    with chosen() as files, tempfile.TemporaryDirectory() as root:
        source = picked(files, PAGES, Path(root) / "pages.pdf")
        wanted = ours(source, 0)
        for dpi in DPIS:
            scan = Path(root) / f"{dpi}.pdf"
            rasterise(source, scan, dpi)
            few = first_pages(scan, PEER_PAGES, Path(root) / f"{dpi}-few.pdf")
            read, peer = reading(scan, "ours", CORES), reading(few, "rapidocr", CORES)
            rows += told(dpi, read, peer, wanted)
            figures |= figures_of(f"dpi{dpi}", read, wanted) | figures_of(f"dpi{dpi}.rapidocr", peer, wanted[:PEER_PAGES])
    return Measured(rows, figures)


def picked(files: Files, pages: int, path: Path) -> Path:
    """Writes a PDF of so many pages, in a fixed random order, of those that were born digital; each has something to read."""
    places = [(file, index) for file, count in zip(files.pdfs, files.pages, strict=True) for index in range(count)]
    order = Random(7).sample(places, len(places))  # noqa: S311 -- no secret
    with pdfium.PdfDocument.new() as made:
        for file, index in order:
            if len(made) < pages:
                _take(made, file, index)
        if len(made) == 0:
            raise BenchFailed("There is no page of text that was born digital. Name another folder with --files.")
        made.save(path)
    return path


def _take(made: pdfium.PdfDocument, file: File, index: int) -> None:
    with pdfium.PdfDocument(file.path) as document:
        if document[index].get_textpage().count_chars() >= _LEAST_CHARACTERS:
            made.import_pages(document, [index])


def first_pages(source: Path, pages: int, path: Path) -> Path:
    with pdfium.PdfDocument(source) as whole, pdfium.PdfDocument.new() as made:
        made.import_pages(whole, list(range(min(pages, len(whole)))))
        made.save(path)
    return path


def reading(scan: Path, reader: str, processes: int) -> Read:
    """In a process of its own, with what it loads."""
    out = scan.with_suffix(f".{reader}.json")
    figures = measured("bench.readers.scans", {"path": str(scan), "out": str(out), "reader": reader, "processes": processes})
    return Read(figures, json.loads(out.read_text(encoding="utf-8")))


def told(dpi: int, read: Read, peer: Read, wanted: Sequence[str]) -> list[Row]:
    ours, theirs = marked(wanted, read.texts), marked(wanted[: len(peer.texts)], peer.texts)
    name = f"OCR at {dpi} dpi"
    return [
        time_row(f"{name}, a page, {CORES} cores", read, peer),
        Row(f"{name}, characters", 100 * ours.errors, "% wrong", PEER, 100 * theirs.errors),
        Row("with plain quotation marks", 100 * ours.plain_errors, "% wrong", PEER, 100 * theirs.plain_errors),
        Row(f"{name}, sentences still found", 100 * share(ours.found, ours), "%", PEER, 100 * share(theirs.found, theirs)),
        Row("with plain quotation marks", 100 * share(ours.alike, ours), "%", PEER, 100 * share(theirs.alike, theirs)),
    ]


def time_row(name: str, read: Read, peer: Read) -> Row:
    return Row(name, read.seconds_a_page, "s", PEER, peer.seconds_a_page)


def figures_of(name: str, read: Read, wanted: Sequence[str]) -> Figures:
    marks = marked(wanted, read.texts)
    return {
        f"{name}.seconds_a_page": read.seconds_a_page,
        f"{name}.errors": marks.errors,
        f"{name}.plain_errors": marks.plain_errors,
        f"{name}.sentences": marks.sentences,
        f"{name}.found": share(marks.found, marks),
        f"{name}.alike": share(marks.alike, marks),
    }


def share(count: int, marks: Marks) -> float:
    return count / max(marks.sentences, 1)


def marked(wanted: Sequence[str], read: Sequence[str]) -> Marks:
    """Each page beside what was read of it."""
    pairs = [(one_line(text), one_line(said)) for text, said in zip(wanted, read, strict=True)]
    characters = sum(len(text) for text, _ in pairs)
    errors = sum(Levenshtein.distance(text, said) for text, said in pairs)
    plain_errors = sum(Levenshtein.distance(plain(text), plain(said)) for text, said in pairs)
    sentences = [(match[0], said) for text, said in pairs for match in SENTENCE.finditer(text)]
    found = sum(sentence in said for sentence, said in sentences)
    alike = sum(bare(plain(sentence)) in bare(plain(said)) for sentence, said in sentences)
    return Marks(errors / characters, plain_errors / characters, len(sentences), found, alike)


def one_line(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
