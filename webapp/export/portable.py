"""A paper as PDF, to print and to file: an outline, page numbers, quotes marked in the highlighter's yellow."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from django.utils.translation import get_language, gettext_lazy
from fpdf import FPDF, XPos, YPos
from fpdf.fonts import FontFace
from PIL import Image

from webapp.export.blocks import Block, Facts, Figure, Grid, Heading, Plain, Quoted, Said
from webapp.export.fonts import Face, face
from webapp.export.inert import for_xml

logging.getLogger("fpdf").setLevel(logging.ERROR)
logging.getLogger("fontTools").setLevel(logging.ERROR)

INK, FAINT, YELLOW, WHITE, RULE = (35, 40, 46), (93, 90, 82), (251, 226, 107), (255, 255, 255), (200, 194, 180)
SIZES = {1: 20, 2: 14, 3: 12}
MARGIN_MM = 22
NO_FONT = gettext_lazy("This machine has no font with other letters than those of western Europe; what it could not write is shown as “?”.")


def pdf(blocks: Iterable[Block], title: str) -> bytes:
    paper = _Paper(face(), title)
    for block in blocks:
        paper.write(block)
    return paper.bytes()


class _Paper(FPDF):
    """The page's foot has the title and the number."""

    def __init__(self, face: Face | None, title: str) -> None:
        super().__init__(format="A4")
        self.face, self.short_title, self.lost = face, for_xml(title)[:80], False
        self.family = "Times"
        if face:
            self._open(face)
        self.set_margin(MARGIN_MM)
        self.set_auto_page_break(True, MARGIN_MM)
        self.set_title(for_xml(title)[:250])
        self.set_creator("Longread")
        self.set_lang(get_language() or "en")
        self.add_page()

    def _open(self, face: Face) -> None:
        self.family = "Paper"
        self.add_font("Paper", "", face.regular)
        self.add_font("Paper", "B", face.bold)
        names = []
        for number, file in enumerate(face.further):
            self.add_font(f"Further{number}", "", file)
            names.append(f"Further{number}")
        self.set_fallback_fonts(names, exact_match=False)

    def footer(self) -> None:
        self.set_y(-15)
        self._ink(8, FAINT)
        self.cell(0, 8, self._text(f"{self.short_title} · {self.page_no()}"), align="C")

    def write(self, block: Block) -> None:  # type: ignore[override]
        match block:
            case Heading(level, text):
                self._heading(level, self._text(text))
            case Said(text):
                self._ink(13)
                self._paragraph(text, 7)
            case Plain(text):
                self._ink(11)
                self._paragraph(text, 6)
            case Quoted():
                self._quoted(block)
            case Figure(image, caption):
                self._figure(image, caption)
            case Grid():
                self._grid(block)
            case Facts(pairs):
                self._ink(9, FAINT)
                for name, value in pairs:
                    self._paragraph(f"{name}: {value}", 4.6, after=0.4)

    def bytes(self) -> bytes:
        if self.lost:
            self._ink(9, FAINT)
            self._paragraph(str(NO_FONT), 5)
        return bytes(self.output())

    def _heading(self, level: int, text: str) -> None:
        if level > 1:
            self.ln(3)
            if self.get_y() > self.h - 2 * MARGIN_MM - 20:
                self.add_page()
        self._ink(SIZES[level], bold=True)
        self.start_section(text[:200], level - 1, strict=False)
        self._ink(SIZES[level], bold=True)
        self._paragraph(text, SIZES[level] * 0.5, after=2)

    def _quoted(self, block: Quoted) -> None:
        self._ink(11)
        self.set_fill_color(*YELLOW)
        self._paragraph(block.quote, 6, after=0.5, fill=block.verified)
        self._ink(9, FAINT)
        self._paragraph(f"{block.number}. {block.source}, {block.place} ({block.checked})", 5, after=3)

    def _figure(self, image: Any, caption: str) -> None:
        with Image.open(image) as opened:
            picture = opened.convert("RGB")
            height = min(170.0, self.epw * picture.height / picture.width)
            if self.get_y() + height + 8 > self.h - MARGIN_MM:
                self.add_page()
            self.image(picture, h=height, x="C", alt_text=for_xml(caption))  # type: ignore[arg-type]
        self._ink(9, FAINT)
        self._paragraph(caption, 5, after=3)

    def _grid(self, grid: Grid) -> None:
        self._ink(9)
        widths = tuple(round(share * 100) for share in grid.widths)
        self.set_fill_color(*WHITE)
        self.set_draw_color(*RULE)
        looks = {"headings_style": FontFace(emphasis="BOLD"), "borders_layout": "HORIZONTAL_LINES", "v_align": "TOP", "padding": 1}
        with self.table(col_widths=widths, line_height=4.8, text_align="LEFT", **looks) as table:
            for texts in [grid.head, *grid.rows]:
                row = table.row()
                for text in texts:
                    row.cell(self._text(text))
        self.ln(3)

    def _ink(self, size: float, colour: tuple[int, int, int] = INK, *, bold: bool = False) -> None:
        self.set_font(self.family, "B" if bold else "", size)
        self.set_text_color(*colour)

    def _paragraph(self, text: str, height: float, *, after: float = 2, fill: bool = False) -> None:
        self.multi_cell(0, height, self._text(text), align="L", fill=fill, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(after)

    def _text(self, text: str) -> str:
        text = for_xml(text).replace("\t", "    ")
        if self.face:
            return text
        known = text.replace("“", '"').replace("”", '"').replace("’", "'").replace("…", "...").replace("–", "-")
        written = known.encode("cp1252", "replace").decode("cp1252")
        written = written.encode("latin-1", "replace").decode("latin-1")
        self.lost = self.lost or written.count("?") > known.count("?")
        return written
