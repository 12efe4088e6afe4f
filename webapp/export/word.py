"""A paper as DOCX, with Word's own headings, quotes and tables, so that it can be restyled and has an outline."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from docx import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor
from PIL import Image

from webapp.export.blocks import Block, Facts, Figure, Grid, Heading, Plain, Quoted, Said
from webapp.export.inert import for_xml

PAGE_CM, FIGURE_CM, TALLEST_CM = 16.0, 13.0, 20.0
INK = RGBColor(0x23, 0x28, 0x2E)


def docx(blocks: Iterable[Block], title: str) -> bytes:
    paper = Document()
    paper.core_properties.title, paper.core_properties.author = for_xml(title)[:250], "Longread"
    _styles(paper)
    for block in blocks:
        _write(paper, block)
    target = io.BytesIO()
    paper.save(target)
    return target.getvalue()


def _styles(paper: Any) -> None:
    section = paper.sections[0]
    section.left_margin = section.right_margin = Cm(2.5)
    paper.styles["Normal"].font.name, paper.styles["Normal"].font.size = "Georgia", Pt(11)
    for level in (1, 2, 3):
        style = paper.styles[f"Heading {level}"]
        style.font.name, style.font.color.rgb = "Georgia", INK
    faint = paper.styles.add_style("Facts", WD_STYLE_TYPE.PARAGRAPH)
    faint.base_style, faint.font.size, faint.font.color.rgb = paper.styles["Normal"], Pt(9), RGBColor(0x5D, 0x5A, 0x52)
    faint.paragraph_format.space_after = Pt(2)


def _write(paper: Any, block: Block) -> None:
    match block:
        case Heading(level, text):
            paper.add_heading(for_xml(text), level)
        case Said(text):
            run = paper.add_paragraph().add_run(for_xml(text))
            run.font.size = Pt(13)
        case Plain(text):
            paper.add_paragraph(for_xml(text))
        case Quoted(number, source, place, quote):
            paper.add_paragraph(for_xml(quote), style="Intense Quote" if block.verified else "Quote")
            paper.add_paragraph(for_xml(f"{number}. {source}, {place} ({block.checked})"), style="Facts")
        case Figure(image, caption):
            paper.add_picture(*_picture(image))
            paper.add_paragraph(for_xml(caption), style="Facts")
        case Grid():
            _grid(paper, block)
        case Facts(pairs):
            for name, value in pairs:
                paper.add_paragraph(for_xml(f"{name}: {value}"), style="Facts")


def _picture(path: Any) -> tuple[io.BytesIO, Any]:
    """As PNG, since Word reads no WebP; no taller than a page."""
    target = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(target, "PNG")
        width = min(FIGURE_CM, TALLEST_CM * image.width / image.height)
    target.seek(0)
    return target, Cm(width)


def _grid(paper: Any, grid: Grid) -> None:
    table = paper.add_table(rows=1, cols=len(grid.head))
    table.style, table.autofit = "Table Grid", False
    _fill(table.rows[0], grid.head, bold=True)
    _repeat(table.rows[0])
    for row in grid.rows:
        _fill(table.add_row(), row)
    for share, column in zip(grid.widths, table.columns, strict=True):
        for cell in column.cells:
            cell.width = Cm(PAGE_CM * share)
    paper.add_paragraph()


def _fill(row: Any, texts: Iterable[str], *, bold: bool = False) -> None:
    for cell, text in zip(row.cells, texts, strict=True):
        run = cell.paragraphs[0].add_run(for_xml(text))
        run.bold, run.font.size = bold, Pt(9)


def _repeat(row: Any) -> None:
    """The head stands on every page that the table reaches."""
    head = OxmlElement("w:tblHeader")
    head.set(qn("w:val"), "true")
    row._tr.get_or_add_trPr().append(head)
