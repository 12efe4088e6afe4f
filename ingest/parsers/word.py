"""Word files (.docx): paragraphs with their headings and clause numbers, tables, footnotes, text boxes, where pictures are. Runs no macro
and follows no link.

What Word shows when all changes are accepted: insertions are read, deletions, hidden text and comments are not. Page headers and footers
are left out, since they say the same on every page. Word files have no pages: a program makes those when it shows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ingest.limits import Limits
from ingest.parsers.described import described
from ingest.parsers.package import Element, Package, Relation, attribute, child, damaged, local, opened
from ingest.parsers.tables import table_text
from ingest.parsers.word_numbers import Numbers

_WHAT = "Word document"
_BLOCKS_AT_ONCE = 500
# Elements whose text is not shown, or shown elsewhere.
_LEFT_OUT = frozenset(
    """
    del moveFrom delText instrText delInstrText pPr rPr tblPr trPr tcPr sectPr sdtPr sdtEndPr Fallback footnoteRef endnoteRef rt binData
    """.split()  # noqa: SIM905 -- words read better than a list
)
_CHARACTERS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_WITHIN = frozenset({"sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag", "AlternateContent", "Choice"})
_HEADING_NAME = re.compile(r"heading ([1-9])", re.IGNORECASE)
_STYLES_DEEP = 20


@dataclass(frozen=True, slots=True)
class _Style:
    """What a paragraph's style says of it, with what it is based on. `level` is the heading's from 1, 0 for text; `list` '' for none."""

    level: int = 0
    list: str = ""
    depth: int = 0


def read_word(source: Path, limits: Limits) -> Iterator[str]:
    """The document in parts of some hundred paragraphs. Raises FileRefused or LimitExceeded."""
    with opened(source, _WHAT, limits) as package:
        main = next(iter(package.related("", "officeDocument")), "word/document.xml")
        body = child(package.xml(main), "body")
        if body is None:
            raise damaged(_WHAT)
        reader = _reader(package, main)
        blocks: list[str] = []
        for block in reader.blocks(body):
            blocks.append(block)
            if len(blocks) == _BLOCKS_AT_ONCE:
                yield "".join(blocks)
                blocks = []
        yield "".join(blocks)


def _reader(package: Package, main: str) -> _Reader:
    folder = PurePosixPath(main).parent

    def beside(name: str) -> Element | None:
        return package.xml_if_there(str(folder / name))

    notes = _notes(beside("footnotes.xml"), "footnote") | _notes(beside("endnotes.xml"), "endnote")
    parts = {"document": main, "footnotes": str(folder / "footnotes.xml"), "endnotes": str(folder / "endnotes.xml")}
    related = {root: package.relations(part) for root, part in parts.items()}
    return _Reader(_styles(beside("styles.xml")), Numbers.of(beside("numbering.xml")), notes, package, related)


def _notes(root: Element | None, kind: str) -> dict[tuple[str, str], Element]:
    """(kind, id) -> note. The lines that part notes from text are notes too, with a type."""
    found = [] if root is None else [note for note in root if local(note) == kind]
    return {(kind, attribute(note, "id") or ""): note for note in found if attribute(note, "type") in (None, "normal")}


@dataclass(slots=True)
class _Reader:
    styles: dict[str, _Style]
    numbers: Numbers
    notes: dict[tuple[str, str], Element]
    package: Package
    related: dict[str, dict[str, Relation]]  # by the name of a part's first element: what the part refers to, by id
    noted: int = 0
    waiting: list[Element] = field(default_factory=list)  # notes and text boxes that the paragraph being read refers to
    in_list: bool = False

    def blocks(self, parent: Element) -> Iterator[str]:
        """The blocks of a body, a cell, a note or a text box, each with what its paragraph refers to after it."""
        for element in parent:
            name = local(element)
            if name == "p":
                yield from self._paragraph(element)
            elif name == "tbl":
                yield from self._table(element)
            elif name in _WITHIN:
                yield from self.blocks(element)

    def _paragraph(self, paragraph: Element) -> Iterator[str]:
        style = self._style(paragraph)
        level = self.numbers.level(style.list, style.depth) if style.list else None
        text = self._inline(paragraph).strip()
        label = self.numbers.label(style.list, style.depth) if level is not None else ""  # an empty paragraph counts too
        if text:
            yield self._block(text, style, label, bullet=level is not None and level.is_bullet)
        waiting, self.waiting = self.waiting, []
        for element in waiting:
            yield from self._aside(element)

    def _block(self, text: str, style: _Style, label: str, *, bullet: bool) -> str:
        if style.level:
            text = f"{'#' * min(style.level, 6)} {label} {' '.join(text.split())}".replace("  ", " ")
        elif bullet:
            text = f"{'  ' * style.depth}- {text}"
        elif label:
            text = f"{label} {text}"
        close = "\n" if bullet and not style.level else "\n\n"
        opening = "\n" if self.in_list and close == "\n\n" else ""
        self.in_list = close == "\n"
        return opening + text + close

    def _aside(self, element: Element) -> Iterator[str]:
        number = element.get("number")
        blocks = [block for block in self.blocks(element) if block.strip()]
        if number and blocks:
            blocks[0] = f"[{number}] {blocks[0].lstrip()}"
        yield from blocks

    def _table(self, table: Element) -> Iterator[str]:
        rows = [row for row in self._rows(table) if any(cell.strip() for cell in row)]
        opening = "\n" if self.in_list else ""
        self.in_list = False
        if max((len(row) for row in rows), default=0) > 1:
            yield opening + table_text(rows) + "\n"
        else:  # a frame around text
            yield from (opening + cell.rstrip("\n") + "\n\n" for row in rows for cell in row)

    def _rows(self, table: Element) -> Iterator[list[str]]:
        for element in table:
            name = local(element)
            if name == "tr" and child(element, "trPr", "del") is None:
                yield list(self._cells(element))
            elif name in _WITHIN:
                yield from self._rows(element)

    def _cells(self, row: Element) -> Iterator[str]:
        """A cell over several columns is followed by empty ones; one that goes on from the row above is empty."""
        for element in row:
            name = local(element)
            if name in _WITHIN:
                yield from self._cells(element)
            elif name == "tc":
                merged = child(element, "tcPr", "vMerge")
                goes_on = merged is not None and attribute(merged, "val") != "restart"
                yield "" if goes_on else "".join(self.blocks(element))
                self.in_list = False
                span = attribute(child(element, "tcPr", "gridSpan"), "val") or "1"
                yield from [""] * (min(int(span), 100) - 1 if span.isdigit() else 0)

    def _inline(self, element: Element) -> str:
        return "".join(self._pieces(element))

    def _pieces(self, element: Element) -> Iterator[str]:
        for found in element:
            name = local(found)
            if name == "t":
                yield found.text or ""
            elif name in _CHARACTERS:
                yield "" if attribute(found, "type") == "page" else _CHARACTERS[name]
            elif name in ("footnoteReference", "endnoteReference"):
                yield self._reference(name.removesuffix("Reference"), attribute(found, "id") or "")
            elif name == "txbxContent":
                self.waiting.append(found)
            elif name == "docPr":
                yield from self._drawn(found)
            elif name == "imagedata":
                yield self._picture(found, attribute(found, "id"), attribute(found, "title"))
            elif name not in _LEFT_OUT and not _is_hidden(found):
                yield from self._pieces(found)

    def _drawn(self, properties: Element) -> Iterator[str]:
        """The pictures of a drawing, of which its properties say what it shows."""
        words, drawing = attribute(properties, "descr"), properties.getparent()
        for blip in drawing.iter("{*}blip"):
            if next(blip.iterancestors("{*}inline", "{*}anchor"), None) is drawing:  # and not in a text box of it
                yield self._picture(blip, attribute(blip, "embed"), words)
                words = None
        yield described(words)

    def _picture(self, element: Element, id: str | None, words: str | None) -> str:
        relation = self.related.get(local(element.getroottree().getroot()), {}).get(id or "")
        return self.package.picture(relation.target if relation else "", words)

    def _reference(self, kind: str, id: str) -> str:
        note = self.notes.pop((kind, id), None)
        if note is None:
            return ""
        self.noted += 1
        note.set("number", str(self.noted))
        self.waiting.append(note)
        return f"[{self.noted}]"

    def _style(self, paragraph: Element) -> _Style:
        """What the paragraph says of itself, over what its style says."""
        properties = child(paragraph, "pPr")
        named = self.styles.get(attribute(child(properties, "pStyle"), "val") or "", _Style())
        return _over(named, properties)


def _is_hidden(run: Element) -> bool:
    hidden = child(run, "rPr", "vanish")
    return hidden is not None and attribute(hidden, "val") not in ("0", "false")


def _over(style: _Style, properties: Element | None) -> _Style:
    """A style with what paragraph properties (pPr) change of it."""
    outline, list_ = attribute(child(properties, "outlineLvl"), "val"), child(properties, "numPr")
    level = style.level if outline is None else int(outline) + 1 if outline in set("012345678") else 0
    if list_ is None:
        return _Style(level, style.list, style.depth)
    name, depth = attribute(child(list_, "numId"), "val"), attribute(child(list_, "ilvl"), "val")
    chosen = style.list if name is None else "" if name == "0" else name
    return _Style(level, chosen, int(depth) if depth in set("012345678") else style.depth)


def _styles(root: Element | None) -> dict[str, _Style]:
    """What each paragraph style says, by its id."""
    found = {} if root is None else {attribute(style, "styleId") or "": style for style in root if local(style) == "style"}
    return {id: _resolved(id, found, _STYLES_DEEP) for id in found}


def _resolved(id: str, found: dict[str, Element], deep: int) -> _Style:
    style = found.get(id)
    if style is None or deep == 0:
        return _Style()
    base = attribute(child(style, "basedOn"), "val")
    inherited = _resolved(base, found, deep - 1) if base else _Style()
    name = attribute(child(style, "name"), "val") or ""
    if named := _HEADING_NAME.fullmatch(name):
        inherited = _Style(int(named[1]), inherited.list, inherited.depth)
    elif name.lower() == "title":
        inherited = _Style(1, inherited.list, inherited.depth)
    return _over(inherited, child(style, "pPr"))
