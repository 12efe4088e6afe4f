"""PowerPoint presentations: slide by slide, with titles, texts in their order, tables and notes, where pictures are and what they
are said to show. No macro."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ingest.limits import Limits
from ingest.parsers.package import Element, Package, attribute, child, damaged, local, opened
from ingest.parsers.tables import table_text

_Pictured = Callable[[Element], str]
"""A shape that is a picture -> what stands in the text for it."""

_WHAT = "PowerPoint presentation"
_TITLES = frozenset({"title", "ctrTitle"})
_EVERY_SLIDE = frozenset({"sldNum", "dt", "ftr", "hdr", "sldImg"})  # placeholders that say the same on all of them


def read_slides(source: Path, limits: Limits) -> Iterator[str]:
    """One part a slide, under its number. Raises FileRefused or LimitExceeded."""
    with opened(source, _WHAT, limits) as package:
        main = next(iter(package.related("", "officeDocument")), "ppt/presentation.xml")
        listed = child(package.xml(main), "sldIdLst")
        relations = package.relations(main)
        for number, slide in enumerate([] if listed is None else listed, 1):
            relation = relations.get(_relation_id(slide))
            if relation is None:
                raise damaged(_WHAT)
            yield _slide(package, relation.target, number)


def _relation_id(slide: Element) -> str:
    """The attribute r:id; the one named id without a namespace is another."""
    return next((str(value) for name, value in slide.attrib.items() if str(name).endswith("}id")), "")


def _slide(package: Package, part: str, number: int) -> str:
    root = package.xml(part)
    titles, texts = _texts(root, _pictured(package, part))
    hidden = " (hidden)" if attribute(root, "show") in ("0", "false") else ""
    title = " ".join(" ".join(titles).split())
    notes = [text for note in package.related(part, "notesSlide") for text in _texts(package.xml(note), _pictured(package, note))[1]]
    blocks = [f"# Slide {number}{hidden}{f': {title}' if title else ''}", *texts, *[f"Notes: {text}" for text in notes]]
    return "".join(f"{block}\n\n" for block in blocks)


def _pictured(package: Package, part: str) -> _Pictured:
    relations = package.relations(part)

    def pictured(shape: Element) -> str:
        relation = relations.get(attribute(child(shape, "blipFill", "blip"), "embed") or "")
        return package.picture(relation.target if relation else "", attribute(child(shape, "nvPicPr", "cNvPr"), "descr"))

    return pictured


def _texts(root: Element, pictured: _Pictured) -> tuple[list[str], list[str]]:
    """The titles of a slide, and the texts of its other shapes."""
    titles: list[str] = []
    texts: list[str] = []
    for shape in _shapes(child(root, "cSld", "spTree")):
        placeholder = attribute(child(shape, "nvSpPr", "nvPr", "ph"), "type")
        text = pictured(shape) if local(shape) == "pic" else _shown(shape)
        if text and placeholder not in _EVERY_SLIDE:
            (titles if placeholder in _TITLES else texts).append(text)
    return titles, texts


def _shapes(parent: Element | None) -> Iterator[Element]:
    """Shapes, tables and pictures in their order, those in groups too."""
    for element in [] if parent is None else parent:
        name = local(element)
        if name in ("sp", "graphicFrame", "pic"):
            yield element
        elif name in ("grpSp", "AlternateContent", "Choice"):
            yield from _shapes(element)


def _shown(shape: Element) -> str:
    return _table(shape) if local(shape) == "graphicFrame" else _paragraphs(child(shape, "txBody"))


def _table(frame: Element) -> str:
    table = child(frame, "graphic", "graphicData", "tbl")
    rows = [] if table is None else [row for row in table if local(row) == "tr"]
    return table_text([[_paragraphs(child(cell, "txBody")) for cell in row if local(cell) == "tc"] for row in rows]).rstrip("\n")


def _paragraphs(body: Element | None) -> str:
    """A shape's text, a paragraph a line."""
    found = [] if body is None else [paragraph for paragraph in body if local(paragraph) == "p"]
    lines = ["".join(_runs(paragraph)).strip() for paragraph in found]
    return "\n".join(line for line in lines if line)


def _runs(paragraph: Element) -> Iterator[str]:
    for element in paragraph:
        name = local(element)
        if name == "br":
            yield "\n"
        elif name == "t":
            yield element.text or ""
        elif name != "pPr":
            yield from _runs(element)
