"""HTML to text: headings with marks, lists with their numbers, tables a row a line, the words of links, what
pictures are said to show. Fetches, follows and runs nothing; a book says where its pictures are.

What a browser does not show (scripts, styles, hidden elements) is left out. The tree is walked without recursion, since it may be deep.
Used for web pages, books and mails; knows none of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_args

from lxml import etree

from ingest.errors import FileRefused, LimitExceeded
from ingest.parsers.described import described
from ingest.parsers.numerals import Style, numeral
from ingest.parsers.package import Element
from ingest.parsers.tables import table_text

_LEFT_OUT = frozenset(
    """
    script style head noscript template iframe object embed svg canvas audio video select datalist textarea button map
    """.split()  # noqa: SIM905 -- words read better than a list
)
_BLOCKS = frozenset(
    """
    address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer form header
    hgroup hr html legend li main menu nav ol p pre section summary table tbody td tfoot th thead tr ul
    h1 h2 h3 h4 h5 h6
    """.split()  # noqa: SIM905 -- words read better than a list
)
_HEADING = re.compile(r"h[1-6]")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\f\xa0]+")
_INVISIBLE = re.compile("[\xad\u200b\u2060\ufeff]")

Pictured = Callable[[str, str | None], str]
"""(address of a picture, what it is said to show) -> what stands in the text for it."""


def _only_described(address: str, words: str | None) -> str:  # noqa: ARG001 -- a Pictured
    return described(words)


def markup_text(data: str, pictured: Pictured = _only_described) -> str:
    """The text of an HTML document or fragment, '' if it has none. Raises LimitExceeded if it nests too deep, FileRefused if it is none."""
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True)
    if not data.strip():
        return ""
    try:
        root = etree.fromstring(data.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError as error:
        raise FileRefused("This file cannot be read as HTML. Save it as a new file in a browser, then upload that.") from error
    if any(entry.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for entry in parser.error_log):
        raise LimitExceeded(
            "This HTML nests its elements deeper than 2,048, the most that its reader takes. Save it as plain text, then upload that."
        )
    return "" if root is None else _Writer(_layouts(root), pictured).written(root)


def _layouts(root: Element) -> set[Element]:
    """Tables that hold other tables: they place things on a page and are no tables to a reader."""
    outer: list[Element] = []
    found = set()
    for event, element in etree.iterwalk(root, events=("start", "end"), tag="table"):
        if event == "end":
            outer.pop()
            continue
        found.update(outer[-1:])
        outer.append(element)
    return found


@dataclass(slots=True)
class _List:
    style: Style | None
    number: int


@dataclass(slots=True)
class _Table:
    """A table that is being read. `outside` is what stood before it."""

    outside: list[str]
    rows: list[list[str]] = field(default_factory=list)


@dataclass(slots=True)
class _Writer:
    """What has been written of a document: whole blocks, and the words of the one that is being read."""

    layouts: set[Element]
    pictured: Pictured
    blocks: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)
    table: _Table | None = None  # one that holds others is none, so there is one at a time
    mark: str = ""
    preformatted: int = 0

    def written(self, root: Element) -> str:
        walk = etree.iterwalk(root, events=("start", "end"))
        skipped = None
        for event, element in walk:
            name = element.tag if isinstance(element.tag, str) else ""
            if event == "start" and _is_left_out(element, name):
                skipped = element
                walk.skip_subtree()
                self._drawing(element, name)
            elif event == "start":
                self._open(element, name)
                self._say(element.text)
                continue
            elif element is not skipped:
                self._close(element, name)
            if event == "end":
                self._say(element.tail)
        self._end_block()
        return "".join(self.blocks)

    def _say(self, text: str | None) -> None:
        if text:
            self.words.append(text)

    def _open(self, element: Element, name: str) -> None:
        if name == "br":
            self.words.append("\v")
        elif name == "img":
            self._say(self.pictured(element.get("src", ""), element.get("alt")))
        if name not in _BLOCKS:
            return
        self._end_block()
        if name in ("ol", "ul", "menu"):
            self.lists.append(_list(element, name))
        elif name == "li":
            self.mark = self._item(element)
        elif _HEADING.fullmatch(name):
            self.mark = "#" * int(name[1]) + " "
        elif name == "pre":
            self.preformatted += 1
        elif name == "table" and self._is_table(element):
            self.table, self.blocks = _Table(self.blocks), []
        elif name == "tr" and self.table is not None:
            self.table.rows.append([])
        elif name in ("td", "th") and self.table is not None:
            self.table.outside += self.blocks  # what is in no cell is a caption, or stands between rows
            self.blocks = []

    def _drawing(self, element: Element, name: str) -> None:
        """Covers and scanned pages of books are often a picture in a drawing that has nothing else."""
        for picture in element.iter("image") if name == "svg" else ():
            self._say(self.pictured(picture.get("xlink:href") or picture.get("href", ""), None))

    def _close(self, element: Element, name: str) -> None:
        if name not in _BLOCKS:
            return
        self._end_block()
        if name == "li" or _HEADING.fullmatch(name):
            self.mark = ""
        if name in ("ol", "ul", "menu") and self.lists:
            self.lists.pop()
            if not self.lists and self.table is None:
                self.blocks.append("\n")
        elif name == "pre":
            self.preformatted -= 1
        elif name in ("td", "th") and self.table is not None and self.table.rows:
            self._end_cell(element, self.table.rows[-1])
        elif name == "table" and self.table is not None:
            self._end_table(self.table)

    def _is_table(self, element: Element) -> bool:
        return element not in self.layouts

    def _end_cell(self, element: Element, row: list[str]) -> None:
        """A cell over several columns is followed by empty ones, so that columns stay under each other."""
        row += ["".join(self.blocks), *[""] * (_columns(element) - 1)]
        self.blocks = []

    def _end_table(self, table: _Table) -> None:
        self.blocks, self.table = [*table.outside, *self.blocks], None
        if max((len(row) for row in table.rows), default=0) > 1:
            self.blocks += [table_text(table.rows), "\n"]
        else:
            self.blocks += [cell.rstrip("\n") + "\n\n" for row in table.rows for cell in row if cell.strip()]

    def _item(self, element: Element) -> str:
        if not self.lists:
            return "- "
        here = self.lists[-1]
        indent = "  " * (len(self.lists) - 1)
        if here.style is None:
            return f"{indent}- "
        here.number = _number(element.get("value"), here.number)
        here.number += 1
        return f"{indent}{numeral(here.number - 1, here.style)}. "

    def _end_block(self) -> None:
        """Writes the words since the last block, if they say anything."""
        said = _INVISIBLE.sub("", "".join(self.words))
        self.words = []
        if self.preformatted:
            text = said.replace("\v", "\n").replace("\r\n", "\n").strip("\n")
        else:
            text = "\n".join(_BLANKS.sub(" ", line).strip() for line in said.split("\v")).strip()
        if not text.strip():
            return
        if self.mark.startswith("#"):
            text = " ".join(text.split())
        in_list = bool(self.lists) and not self.mark.startswith("#")
        self.blocks.append(self.mark + text + ("\n" if in_list else "\n\n"))
        self.mark = "  " * len(self.lists) if in_list and self.mark else ""


def _is_left_out(element: Element, name: str) -> bool:
    return not name or name in _LEFT_OUT or "hidden" in element.attrib or bool(_HIDDEN.search(element.get("style", "")))


def _list(element: Element, name: str) -> _List:
    style = element.get("type", "1")
    known: Style = style if style in get_args(Style) else "1"
    return _List(known if name == "ol" else None, _number(element.get("start"), 1))


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and re.fullmatch(r"-?\d{1,9}", text.strip()) else otherwise


def _columns(element: Element) -> int:
    return min(max(1, _number(element.get("colspan"), 1)), 100)
