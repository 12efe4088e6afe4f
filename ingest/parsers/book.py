"""EPUB books: chapter after chapter, in the order of the spine, with where their pictures are. What is locked by its seller is told apart
from what is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from ingest.errors import FileRefused
from ingest.limits import Limits
from ingest.parsers.markup import Pictured, markup_text
from ingest.parsers.package import Element, Package, attribute, child, damaged, local, opened, resolved
from ingest.parsers.web import characters

_WHAT = "EPUB book"
_CHAPTERS = frozenset({"application/xhtml+xml", "text/html"})
_LOCKED = "This book is locked by its seller's copy protection and cannot be read. Upload a copy without it, if you have the right to one."


def read_book(source: Path, limits: Limits) -> Iterator[str]:
    """One part a chapter. Raises FileRefused or LimitExceeded."""
    with opened(source, _WHAT, limits) as package:
        listing = child(package.xml("META-INF/container.xml"), "rootfiles", "rootfile")
        main = attribute(listing, "full-path")
        if main is None:
            raise damaged(_WHAT)
        chapters = list(_chapters(package.xml(main), main))
        locked = _locked(package)
        for chapter in chapters:
            if chapter in locked:
                raise FileRefused(_LOCKED)
            if chapter in package.names:
                yield markup_text(characters(package.read(chapter)), _pictured(package, chapter))


def _chapters(listing: Element, main: str) -> Iterator[str]:
    """The parts that the spine names, in its order."""
    manifest, spine = child(listing, "manifest"), child(listing, "spine")
    if manifest is None or spine is None:
        raise damaged(_WHAT)
    items = {attribute(item, "id"): item for item in manifest}
    for reference in spine:
        item = items.get(attribute(reference, "idref")) if local(reference) == "itemref" else None
        if item is not None and attribute(item, "media-type") in _CHAPTERS:
            yield resolved(main, unquote(attribute(item, "href") or "").partition("#")[0])


def _pictured(package: Package, chapter: str) -> Pictured:
    def pictured(address: str, words: str | None) -> str:
        return package.picture(resolved(chapter, unquote(address).partition("#")[0]), words)

    return pictured


def _locked(package: Package) -> set[str]:
    """The parts that are encrypted. Fonts often are, in books that can be read."""
    found = package.xml_if_there("META-INF/encryption.xml")
    return (
        set()
        if found is None
        else {unquote(attribute(element, "URI") or "") for element in found.iter() if local(element) == "CipherReference"}
    )
