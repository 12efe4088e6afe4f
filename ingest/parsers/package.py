"""Documents that are a ZIP of XML inside (Word, PowerPoint, OpenDocument, EPUB): their parts by name, with what they may cost.

Nothing is unpacked to disk. A part has no more bytes than the ZIP's directory says, so these are added up before anything is read. XML is
read without entities, document types and network. Knows no format.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from lxml import etree

from ingest.errors import FileRefused
from ingest.limit_settings import beyond, beyond_megabytes, exceeded
from ingest.limits import Limits
from ingest.parsers.described import described

Element: TypeAlias = Any
"""An element of lxml, which has no public name for the type."""

# What zipfile raises for a part that is not as it should be.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError, UnicodeDecodeError, OSError)


@contextmanager
def opened(source: Path, what: str, limits: Limits) -> Iterator[Package]:
    """`what` names the format in a sentence: "Word document". Raises FileRefused or LimitExceeded, in the block too."""
    try:
        with zipfile.ZipFile(source) as archive:
            package = Package(archive, what)
            package.check(limits)
            yield package
    except zipfile.BadZipFile as error:
        raise damaged(what) from error


def damaged(what: str) -> FileRefused:
    return FileRefused(
        f"This {what} is damaged and cannot be read. Open it in the program that made it, save it as a new file, then upload that."
    )


@dataclass(frozen=True, slots=True)
class Relation:
    """`kind` is the last word of its type: styles, slide, notesSlide. `target` is a part's name."""

    kind: str
    target: str


@dataclass(frozen=True)
class Package:
    """An open package."""

    archive: zipfile.ZipFile
    what: str

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.archive.namelist())

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.archive.namelist())}

    def picture(self, name: str, words: str | None) -> str:
        """What stands in the text for a picture: where it is, if it is a part, and what it is said to show (ingest.parsers.described)."""
        return described(words, self._places.get(name))

    def check(self, limits: Limits) -> None:
        """Raises LimitExceeded if the parts are too many or too large, FileRefused if they are locked."""
        entries = self.archive.infolist()
        if len(entries) > limits.archive_entries:
            said = f"This {self.what} has {beyond(len(entries), limits.archive_entries, 'parts')}."
            raise exceeded(said, "Split it", "archive_entries")
        # Pictures are counted when they are taken out, and films are not read.
        size = sum(
            entry.file_size for entry in entries if entry.filename.lower().endswith((".xml", ".rels", "html", ".htm", ".opf", ".ncx"))
        )
        if size > limits.package_bytes:
            said = f"The text and marks of this {self.what} have {beyond_megabytes(size, limits.package_bytes)}, unpacked."
            raise exceeded(said, "Split it into parts, save it as a new file if it should be smaller", "package_bytes")
        if any(entry.flag_bits & 0x1 for entry in entries):
            raise FileRefused(f"This {self.what} is locked with a password. Save it without one, then upload the new file.")

    def read(self, name: str) -> bytes:
        """A part's bytes. Raises FileRefused if it is missing or damaged."""
        try:
            return self.archive.read(name)
        except BROKEN as error:
            raise damaged(self.what) from error

    def xml(self, name: str) -> Element:
        """A part that is XML. Raises FileRefused for one that is none, or that declares entities."""
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True)
        try:
            root = etree.fromstring(self.read(name), parser)
        except etree.XMLSyntaxError as error:
            raise damaged(self.what) from error
        document_type = root.getroottree().docinfo.internalDTD
        if document_type is not None and any(True for _ in document_type.iterentities()):
            raise FileRefused(f"This {self.what} declares XML entities, as attacks do, and is not read. Save it as a new file.")
        return root

    def xml_if_there(self, name: str) -> Element | None:
        return self.xml(name) if name in self.names else None

    def relations(self, part: str) -> dict[str, Relation]:
        """What `part` ('' for the package itself) names, by the id that it uses, in order. Links to elsewhere are left out."""
        folder, name = posixpath.split(part)
        found = self.xml_if_there(posixpath.join(folder, "_rels", f"{name}.rels"))
        inside = [] if found is None else [relation for relation in found if relation.get("TargetMode") != "External"]
        return {
            relation.get("Id", ""): Relation(relation.get("Type", "").rpartition("/")[2], resolved(part, relation.get("Target", "")))
            for relation in inside
        }

    def related(self, part: str, kind: str) -> list[str]:
        """The parts that `part` names in relations of a kind."""
        return [relation.target for relation in self.relations(part).values() if relation.kind == kind]


def resolved(part: str, target: str) -> str:
    """The name of a part as another part names it."""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(part), target)).lstrip("/")


def local(element: Element) -> str:
    """An element's name without its namespace, of which each format has two generations; '' for an entity that was not followed."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Element | None, name: str) -> str | None:
    """An attribute by its name without a namespace."""
    if element is None:
        return None
    return next((str(value) for key, value in element.attrib.items() if str(key).rpartition("}")[2] == name), None)


def child(element: Element | None, *path: str) -> Element | None:
    """The first child of that name, then its first child of the next."""
    for name in path:
        element = next((found for found in element if local(found) == name), None) if element is not None else None
    return element
