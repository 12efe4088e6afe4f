"""Books: chapters in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ingest.errors import FileRefused
from tests.ingest import packages

TextOf = Callable[..., str]
CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/b.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
LISTING = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf"><manifest>
<item id="css" href="a.css" media-type="text/css"/><item id="two" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/one.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="one"/><itemref idref="two"/><itemref idref="css"/><itemref idref="missing"/></spine></package>"""


def chapter(title: str, words: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://evil.example/xhtml11.dtd">'
        f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body><h2>{title}</h2><p>{words}</p></body></html>'
    )


def book(**more: str) -> bytes:
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/b.opf": LISTING,
        "OEBPS/text/two b.xhtml": chapter("The end", "They parted&nbsp;in spring."),
        "OEBPS/text/one.xhtml": chapter("The beginning", "Käthe met the ferryman."),
    }
    return packages.zipped(parts | {name.replace("__", "/").replace("_dot_", "."): part for name, part in more.items()})


@pytest.mark.parametrize("name", ["a.epub", "a.zip"])
def test_it_reads_chapters_in_the_order_of_the_spine(text_of: TextOf, name: str) -> None:
    assert text_of(book(), name) == "## The beginning\n\nKäthe met the ferryman.\n\n## The end\n\nThey parted in spring.\n\n"


def test_it_says_that_a_seller_locked_a_book_and_reads_one_whose_fonts_are(text_of: TextOf) -> None:
    lock = '<encryption xmlns:e="e"><e:EncryptedData><e:CipherReference URI="{}"/></e:EncryptedData></encryption>'
    with pytest.raises(FileRefused, match="copy protection"):
        text_of(book(**{"META-INF__encryption_dot_xml": lock.format("OEBPS/text/one.xhtml")}))
    assert "Käthe" in text_of(book(**{"META-INF__encryption_dot_xml": lock.format("OEBPS/font.otf")}))


@pytest.mark.parametrize("part", ["META-INF__container_dot_xml", "OEBPS__b_dot_opf"])
def test_it_says_when_a_book_is_damaged(text_of: TextOf, part: str) -> None:
    with pytest.raises(FileRefused, match="EPUB book is damaged"):
        text_of(book(**{part: "<package/>"}))
