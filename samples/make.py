"""`python samples/make.py`: makes contract.pdf from contract.txt and signature.txt, the same bytes each time.

The last page is what an office scanner leaves: a slightly turned, grainy picture with the recognised text invisible above it.
In contract.txt a line opens with `=` (title), `-` (subtitle), `#` (heading), `!` (heading on a new page) or `@` (table row).
"""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import TextMode, XPos, YPos
from PIL import Image, ImageDraw, ImageFont

SAMPLES = Path(__file__).parent
MADE = datetime(2024, 3, 4, 9, 0, tzinfo=UTC)
SCAN_DPI = 130
A4_MM = (210, 297)
TURN_DEGREES = 1.1


class Contract(FPDF):
    """A4 with page numbers."""

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font("Times", size=9)
        self.cell(0, 8, f"Agreement No. HTW-2024-0417     Page {self.page_no()}", align="C")


def main() -> None:
    pdf = Contract(format="A4")
    pdf.set_creation_date(MADE)
    pdf.set_title("Master Services Agreement")
    pdf.set_margins(25, 22, 25)
    pdf.set_auto_page_break(True, 24)
    pdf.add_page()
    for line in (SAMPLES / "contract.txt").read_text(encoding="utf-8").splitlines():
        write_line(pdf, line)
    add_scan(pdf, (SAMPLES / "signature.txt").read_text(encoding="utf-8").splitlines())
    pdf.output(str(SAMPLES / "contract.pdf"))


def write_line(pdf: FPDF, line: str) -> None:
    """One line of contract.txt, by its mark."""
    mark, rest = line[:1], line[2:]
    if mark == "=":
        paragraph(pdf, rest, "B", 17, "C")
    elif mark == "-":
        paragraph(pdf, rest, "", 12, "C")
    elif mark in ("#", "!"):
        if mark == "!":
            pdf.add_page()
        pdf.ln(3)
        paragraph(pdf, rest, "B", 12.5, "L")
    elif mark == "@":
        table_row(pdf, rest.split(" | "))
    elif line:
        paragraph(pdf, line, "", 11.5, "L")


def paragraph(pdf: FPDF, text: str, style: str, size: float, align: str) -> None:
    pdf.set_font("Times", style=style, size=size)
    with pdf.unbreakable() as whole:  # a clause stays on one page
        whole.multi_cell(0, size * 0.5, text, align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.ln(2.6)


def table_row(pdf: FPDF, cells: list[str]) -> None:
    pdf.set_font("Times", style="B" if cells[0] == "Item" else "", size=11)
    for width, text in zip((70, 55, 35), cells, strict=True):
        pdf.cell(width, 8, text, border=1, align="R" if width == 35 else "L")
    pdf.ln(8)


def add_scan(pdf: FPDF, lines: list[str]) -> None:
    """A page with a picture of the lines and, invisible above it, the lines themselves."""
    pdf.add_page()
    pdf.set_auto_page_break(False)
    pdf.image(scanned(lines), x=0, y=0, w=A4_MM[0], h=A4_MM[1])
    pdf.set_font("Helvetica", size=13)
    with pdf.local_context(text_mode=TextMode.INVISIBLE), pdf.rotation(TURN_DEGREES, x=A4_MM[0] / 2, y=A4_MM[1] / 2):
        for row, line in enumerate(lines):
            if line:
                pdf.text(28, 44 + row * 10, line)


def scanned(lines: list[str]) -> io.BytesIO:
    """A grey JPEG of a typed page, turned and with the grain of a scanner. The grain is drawn from a fixed seed."""
    wide, high = (round(side / 25.4 * SCAN_DPI) for side in A4_MM)
    page = Image.new("L", (wide, high), 246)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=13 * SCAN_DPI / 72)
    for row, line in enumerate(lines):
        pen.text((28 / 25.4 * SCAN_DPI, (44 + row * 10) / 25.4 * SCAN_DPI), line, fill=45, font=font, anchor="ls")
    sign(pen, 105, 68)
    sign(pen, 105, 118)
    turned = page.rotate(TURN_DEGREES, resample=Image.Resampling.BICUBIC, fillcolor=238)
    grain = Image.frombytes("L", turned.size, random.Random(4).randbytes(wide * high))  # noqa: S311 -- a picture
    packed = io.BytesIO()
    Image.blend(turned, grain, 0.05).save(packed, format="JPEG", quality=60)
    return packed


def sign(pen: ImageDraw.ImageDraw, x_mm: float, y_mm: float) -> None:
    """A scrawl where a signature would be."""
    strokes = random.Random(round(y_mm))  # noqa: S311 -- a picture
    points = [((x_mm + step * 4) / 25.4 * SCAN_DPI, (y_mm + strokes.uniform(-6, 6)) / 25.4 * SCAN_DPI) for step in range(12)]
    pen.line(points, fill=70, width=3, joint="curve")


if __name__ == "__main__":
    main()
