"""Whether quotes survive: for random sentences of PDFs that were born digital, the boxes of the page map are laid on the page, and what
PDFium says stands under them is set beside the sentence. The way back from boxes to text shares nothing with our parser but PDFium.
"""

from __future__ import annotations

import ctypes
import re
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path
from random import Random

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from bench.files import File, chosen
from bench.process import BenchFailed
from bench.row import Measured, Row
from ingest.apart import PARSING
from ingest.limits import Limits
from ingest.model import Box
from ingest.progress import silent
from ingest.prompt.page_map import PageMap
from ingest.storage import ParsedFiles

WANTED = 200
SENTENCE = re.compile(r"(?:(?<=[.;:!?]\s)|(?<=\n\n))[A-Z(“\"](?:[^.;!?]|[.;!?](?!\s)){40,600}[.;!?](?=\s)")
_NOT_SAID = re.compile("[\\s\x00\x02\xad\ufffe\ufeff-]+")
_UNITS = 100_000
_INSET = 0.2  # of a box's height on the paper: tails of the line above reach into it, and PDFium counts what is touched


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence as the prompt has it, and what stands under its boxes."""

    file: str
    page: int
    sentence: str
    under: str

    @property
    def is_covered(self) -> bool:
        return bare(self.sentence) in bare(self.under)

    @property
    def is_exact(self) -> bool:
        """Nothing else stands under the boxes."""
        return bare(self.sentence) == bare(self.under)


def run() -> Measured:
    """All of it, in about half a minute."""
    with chosen() as files:
        if not files.pdfs:
            raise BenchFailed("There is no PDF that was born digital. Name another folder with --files.")
        quotes = list(quotes_of(files.pdfs, WANTED))
    for quote in quotes:
        if not quote.is_covered:
            print(f"{quote.file}, page {quote.page}: {quote.sentence!r} stands over {quote.under!r}", file=sys.stderr)
    covered, exact = sum(quote.is_covered for quote in quotes), sum(quote.is_exact for quote in quotes)
    rows = [
        Row("quotes covered by their boxes", 100 * covered / len(quotes), "%"),
        Row("quotes with nothing else under them", 100 * exact / len(quotes), "%"),
    ]
    return Measured(rows, {"quotes": len(quotes), "covered": covered / len(quotes), "exact": exact / len(quotes)})


def quotes_of(files: Sequence[File], wanted: int) -> Iterator[Quote]:
    """So many sentences, as evenly from the files as these have them; the same each time."""
    with tempfile.TemporaryDirectory() as root:
        parsed = []
        for number, file in enumerate(files):
            folder = Path(root) / str(number)
            folder.mkdir()
            PARSING.parse(file.path, file.name, ParsedFiles(folder), Limits(), silent)
            parsed.append((file, ParsedFiles(folder)))
        turns = zip_longest(*(_quotes(file, of) for file, of in parsed))
        yield from islice((quote for quote in chain.from_iterable(turns) if quote is not None), wanted)


def _quotes(file: File, parsed: ParsedFiles) -> Iterator[Quote]:
    """All sentences of a file in random order."""
    text = parsed.text.read_bytes().decode()
    spans = [match.span() for match in SENTENCE.finditer(text)]
    Random(file.name).shuffle(spans)  # noqa: S311 -- no secret
    places = PageMap.open(parsed)
    for start, end in spans:
        place = places.place(start, end)
        with pdfium.PdfDocument(file.path) as document:
            under = " ".join(text_under(document[page - 1], box) for page, box in place.boxes)
        yield Quote(file.name, place.page or 0, text[start:end], under)


def text_under(page: pdfium.PdfPage, box: Box) -> str:
    """What stands under the middle of a box (fractions of the page as it is shown), by PDFium's own way from the picture to the text."""
    corners = [_on_paper(page, x, y) for x, y in ((box[0], box[1]), (box[2], box[3]))]
    (left, right), (bottom, top) = (sorted(axis) for axis in zip(*corners, strict=True))
    inset = _INSET * (top - bottom)
    return str(page.get_textpage().get_text_bounded(left, bottom + inset, right, top - inset))


def _on_paper(page: pdfium.PdfPage, x: float, y: float) -> tuple[float, float]:
    across, up = ctypes.c_double(), ctypes.c_double()
    pdfium_c.FPDF_DeviceToPage(page, 0, 0, _UNITS, _UNITS, 0, round(x * _UNITS), round(y * _UNITS), across, up)
    return across.value, up.value


def bare(text: str) -> str:
    """Without blanks and hyphens, ligatures as their letters: what a line end changes says nothing."""
    return _NOT_SAID.sub("", unicodedata.normalize("NFKC", text))
