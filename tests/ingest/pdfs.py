"""Small PDFs for the tests: good ones by fpdf2, hostile ones by hand."""

from __future__ import annotations

import io
from collections.abc import Sequence

from fpdf import FPDF
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import RectangleObject

_FONT = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def pages_of_text(*pages: list[tuple[float, float, str]]) -> bytes:
    """A4 pages (595 x 842 points) with lines at (x, y) points from the top left."""
    pdf = FPDF(unit="pt", format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_font("Helvetica", size=12)
    for lines in pages:
        pdf.add_page()
        for x, y, line in lines:
            pdf.text(x, y, line)
    return bytes(pdf.output())


def scan(*, invisible_text: str = "") -> bytes:
    """One page that is a picture, perhaps with a text layer that nobody sees."""
    pdf = FPDF(unit="pt", format="A4")
    pdf.set_auto_page_break(False)
    pdf.add_page()
    pdf.image(Image.new("L", (200, 280), 230), x=0, y=0, w=595, h=842)
    if invisible_text:
        pdf.set_font("Helvetica", size=12)
        with pdf.local_context(text_mode=3):
            pdf.text(72, 100, invisible_text)
    return bytes(pdf.output())


def rotated(content: bytes, degrees: int) -> bytes:
    """The same PDF with each page's /Rotate set."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    for page in writer.pages:
        page.rotate(degrees)
    return _written(writer)


def cropped(content: bytes, left: float, bottom: float, right: float, top: float) -> bytes:
    """The same PDF with each page's crop box set, in points from the bottom left."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    for page in writer.pages:
        page.cropbox = RectangleObject((left, bottom, right, top))
    return _written(writer)


def encrypted(content: bytes) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.encrypt("secret", algorithm="RC4-128")
    return _written(writer)


def by_hand(kids: str, count: int, page: str, *, font: str = _FONT, more: Sequence[str] = ()) -> bytes:
    """A PDF with this page tree and this page object, as an attacker would write it."""
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {count}>>",
        page,
        "<</Length 37>>\nstream\nBT /F1 12 Tf 72 720 Td (hello) Tj ET  \nendstream",
        font,
        *more,
    ]
    body = "%PDF-1.7\n"
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF".encode()


def _written(writer: PdfWriter) -> bytes:
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()
