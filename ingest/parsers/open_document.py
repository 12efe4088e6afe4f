"""OpenDocument texts, spreadsheets and presentations (.odt, .ods, .odp): headings and lists with numbers, tables, footnotes, slides, where
pictures are.

Runs no macro, follows no link. What was deleted while changes are tracked, comments and fields of forms are left out, as are page headers
and footers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingest.errors import FileRefused
from ingest.limits import Limits
from ingest.parsers.open_numbers import Counter, Levels, list_styles, whole
from ingest.parsers.package import Element, Package, attribute, child, damaged, local, opened
from ingest.parsers.tables import sheet_text, table_text

_TEXT, _SHEETS, _SLIDES = "OpenDocument text", "OpenDocument spreadsheet", "OpenDocument presentation"
_EVERY_SLIDE = frozenset({"page-number", "date-time", "footer", "header", "page"})  # shapes that say the same on all of them
_LEFT_OUT = frozenset({"tracked-changes", "annotation", "annotation-end", "forms", "ruby-text", "sequence-decls", "title", "desc"})
_DRAWN = (".svg", ".svm", ".emf", ".wmf")  # drawings, of which LibreOffice keeps a picture beside
_BLANKS = re.compile(r"[ \t\r\n]+")
_BLANKS_MOST = 100  # of one element that stands for a run of blanks
_REPEATED_MOST = 1_000  # of a cell or row that stands for many alike, where it says anything
_BLOCKS_AT_ONCE = 500


def read_open_text(source: Path, limits: Limits) -> Iterator[str]:
    """The document in parts of some hundred paragraphs. Raises FileRefused or LimitExceeded."""
    with opened(source, _TEXT, limits) as package:
        reader, body = _reader(package)
        blocks: list[str] = []
        for block in reader.blocks(child(body, "text")):
            blocks.append(block)
            if len(blocks) == _BLOCKS_AT_ONCE:
                yield "".join(blocks)
                blocks = []
        yield "".join(blocks)


def read_open_sheets(source: Path, limits: Limits) -> Iterator[str]:
    """Sheet by sheet, each under its name, in pieces. Raises FileRefused or LimitExceeded."""
    with opened(source, _SHEETS, limits) as package:
        reader, body = _reader(package)
        sheets = child(body, "spreadsheet")
        for table in [] if sheets is None else sheets:
            if local(table) == "table":
                yield f"# {' '.join((attribute(table, 'name') or '').split())}\n\n"
                yield from sheet_text(reader.rows(table))


def read_open_slides(source: Path, limits: Limits) -> Iterator[str]:
    """One part a slide, under its number and title, its notes last. Raises FileRefused or LimitExceeded."""
    with opened(source, _SLIDES, limits) as package:
        reader, body = _reader(package)
        slides = child(body, "presentation")
        pages = [] if slides is None else [element for element in slides if local(element) == "page"]
        for number, page in enumerate(pages, 1):
            yield reader.slide(page, number)


def _reader(package: Package) -> tuple[_Reader, Element]:
    manifest = package.xml_if_there("META-INF/manifest.xml")
    if manifest is not None and next(manifest.iter("{*}encryption-data"), None) is not None:
        raise FileRefused(f"This {package.what} is locked with a password. Save it without one, then upload the new file.")
    content, styles = package.xml("content.xml"), package.xml_if_there("styles.xml")
    body = child(content, "body")
    if body is None:
        raise damaged(package.what)
    known = list_styles([styles, content] if styles is not None else [content])
    return _Reader(package, known, Counter(known.get("", {}))), body


@dataclass(slots=True)
class _Reader:
    package: Package
    styles: dict[str, Levels]
    headings: Counter
    lists: dict[str, Counter] = field(default_factory=dict)  # by style: the last list of it, which another may go on with
    noted: int = 0
    waiting: list[tuple[str, Element]] = field(default_factory=list)  # (label, note or text box) of the paragraph being read

    def blocks(self, parent: Element | None) -> Iterator[str]:
        """The blocks of a body, a section, a cell, a note or a text box, each with what it refers to after it."""
        for element in [] if parent is None else parent:
            name = local(element)
            if name == "h":
                yield from self._heading(element)
            elif name == "p":
                yield from self._ended(self._inline(element).strip(), "\n\n")
            elif name == "list":
                yield from self._list(element, None, 1)
                yield "\n"
            elif name == "table":
                yield from self._table(element)
            elif name == "image":
                yield from (f"{said}\n\n" for said in [self._picture(element)] if said)
                yield from self.blocks(element)
            elif name not in _LEFT_OUT:
                yield from self.blocks(element)

    def slide(self, page: Element, number: int) -> str:
        titles, texts = self._shapes(page, "title")
        _, notes = self._shapes(next((part for part in page if local(part) == "notes"), None), "")
        title = " ".join(" ".join(titles).split())
        blocks = [f"# Slide {number}{f': {title}' if title else ''}", *texts, *[f"Notes: {text}" for text in notes]]
        return "".join(f"{block}\n\n" for block in blocks)

    def _shapes(self, parent: Element | None, first: str) -> tuple[list[str], list[str]]:
        """The texts of the shapes whose class is `first`, and those of the others."""
        found: tuple[list[str], list[str]] = [], []
        for shape in [] if parent is None else parent:
            kind = attribute(shape, "class")
            if local(shape) != "notes" and kind not in _EVERY_SLIDE and (text := "".join(self.blocks(shape)).strip()):
                found[kind != first].append(text)
        return found

    def _ended(self, text: str, end: str) -> Iterator[str]:
        """A paragraph, then its notes and text boxes."""
        waiting, self.waiting = self.waiting, []
        if text:
            yield text + end
        for label, element in waiting:
            blocks = "".join(self.blocks(element)).strip()
            if blocks:
                yield f"{label}{blocks}\n\n"

    def _heading(self, heading: Element) -> Iterator[str]:
        level = max(1, whole(attribute(heading, "outline-level"), 1))
        label = self.headings.label(level) or ""
        text = " ".join(f"{label} {self._inline(heading)}".split())
        yield from self._ended(f"{'#' * min(level, 6)} {text}" if text != label else "", "\n\n")

    def _list(self, element: Element, outer: Counter | None, depth: int) -> Iterator[str]:
        counter = outer or self._counter(element)
        for item in element:
            if local(item) not in ("list-item", "list-header"):
                continue
            start = attribute(item, "start-value")
            label = None if local(item) == "list-header" else self._label(counter, depth, whole(start, 1) if start else None)
            for part in item:
                name = local(part)
                if name == "list":
                    yield from self._list(part, counter, depth + 1)
                elif name == "h":
                    words = " ".join([label or "", self._inline(part)]).split()
                    yield f"{'#' * min(depth, 6)} {' '.join(words)}\n\n"
                elif name == "p":
                    yield from self._ended(f"{label or '  ' * depth}{self._inline(part).strip()}", "\n")
                label = None

    def _label(self, counter: Counter, depth: int, start: int | None) -> str:
        number = counter.label(depth, start)
        return "  " * (depth - 1) + ("- " if number is None else f"{number} ")

    def _counter(self, element: Element) -> Counter:
        name = attribute(element, "style-name") or ""
        goes_on = attribute(element, "continue-numbering") == "true" or attribute(element, "continue-list") is not None
        if not (goes_on and name in self.lists):
            self.lists[name] = Counter(self.styles.get(name, {}) if name else {})
        return self.lists[name]

    def _table(self, table: Element) -> Iterator[str]:
        rows = [row for row in self.rows(table) if any(cell.strip() for cell in row)]
        if max((len(row) for row in rows), default=0) > 1:
            yield table_text(rows) + "\n"
        else:  # a frame around text
            yield from (cell.rstrip("\n") + "\n\n" for row in rows for cell in row)

    def rows(self, parent: Element) -> Iterator[list[str]]:
        """The rows of a table, with those that stand for several alike repeated if they say anything."""
        for element in parent:
            name = local(element)
            if name == "table-row":
                row = list(self._cells(element))
                times = whole(attribute(element, "number-rows-repeated"), 1)
                yield from [row] * (min(times, _REPEATED_MOST) if any(row) else 1)
            elif name in ("table-header-rows", "table-rows", "table-row-group"):
                yield from self.rows(element)

    def _cells(self, row: Element) -> Iterator[str]:
        """A cell over several columns is followed by covered ones, which are empty."""
        for element in row:
            if local(element) in ("table-cell", "covered-table-cell"):
                text = "" if local(element) == "covered-table-cell" else "".join(self.blocks(element)).strip()
                times = whole(attribute(element, "number-columns-repeated"), 1)
                yield from [text] * min(times, _REPEATED_MOST)

    def _picture(self, image: Element) -> str:
        """What stands for a picture; '' for another form of the one that is read."""
        frame = image.getparent()
        forms = [(form, attribute(form, "href") or "") for form in frame if local(form) == "image"]
        read, address = next((form for form in forms if not form[1].lower().endswith(_DRAWN)), forms[0])
        if read is not image:
            return ""
        description = child(frame, "desc")
        return self.package.picture(address.removeprefix("./"), None if description is None else description.text)

    def _inline(self, element: Element) -> str:
        return "".join(self._pieces(element))

    def _pieces(self, element: Element) -> Iterator[str]:
        yield _words(element.text)
        for found in element:
            name = local(found)
            if name == "s":
                yield " " * min(whole(attribute(found, "c"), 1), _BLANKS_MOST)
            elif name == "tab":
                yield "\t"
            elif name == "line-break":
                yield "\n"
            elif name == "note":
                self.noted += 1
                self.waiting.append((f"[{self.noted}] ", child(found, "note-body")))
                yield f"[{self.noted}]"
            elif name == "text-box":
                self.waiting.append(("", found))
            elif name == "image":
                yield self._picture(found)
                yield from self._pieces(found)
            elif name not in _LEFT_OUT:
                yield from self._pieces(found)
            yield _words(found.tail)


def _words(text: str | None) -> str:
    """Text between marks: a run of blanks and line breaks in the file is one blank to a reader."""
    return _BLANKS.sub(" ", text) if text else ""
