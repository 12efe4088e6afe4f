"""Files of every format with bytes changed, lost and doubled: each is read or refused in a sentence, and none takes its process with it."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.apart import ParsingProcess
from ingest.errors import IngestError
from ingest.limits import Limits
from ingest.progress import silent
from ingest.storage import ParsedFiles
from tests.ingest import packages, pdfs
from tests.ingest.test_book import book
from tests.ingest.test_mail import mail
from tests.ingest.test_open_document import OUTLINE, document, paragraph
from tests.ingest.test_sheets import saved, workbook
from tests.ingest.test_slides import presentation
from tests.ingest.test_slides import saved as saved_slides
from tests.ingest.test_web import PAGE
from tests.ingest.test_word import CLAUSES, contract, item, numbered

TIMES = 15
TEXT = b'# Fees\n\n| a | b |\n| --- | --- |\n| 1 | "2 |\n\nFee\n---\n'
RICH = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\pard The \b fee\b0  is 40 \'80.\par\u8364? {\pict 8950}\trowd\cell a\row}"
SPLICED = [b"<", b">", b"&#0;", b"&x;", b"99999999999", b"-1", b"\xff\xfe", b"{", b"}", b"\\u-9 ", b'"', b"\0"]


def letter() -> bytes:
    message = mail()
    message.set_content("<p>words</p>", subtype="html")
    message.add_attachment(b"PK", maintype="application", subtype="zip", filename="März.zip")
    return message.as_bytes()


FORMATS: dict[str, Callable[[], bytes]] = {
    "a.pdf": lambda: pdfs.pages_of_text([(72, 72, "Page one")], [(72, 72, "Page two")]),
    "a.docx": lambda: packages.word(contract),
    "b.docx": lambda: numbered("".join(item("x", depth % 3) for depth in range(9)), CLAUSES),
    "a.xlsx": lambda: saved(workbook(S=[["a", "b"], [1, 2.5], ["x", None]])),
    "a.pptx": lambda: saved_slides(presentation()),
    "a.odt": lambda: document(f'<text:h text:outline-level="1">H</text:h>{paragraph("x")}', outline=OUTLINE),
    "a.epub": book,
    "a.html": lambda: PAGE.encode(),
    "a.eml": letter,
    "a.rtf": lambda: RICH,
    "a.csv": lambda: b'a,b\n1,"x\ny"\n2,3\n',
    "a.md": lambda: TEXT,
}


@pytest.fixture(scope="module")
def parsing() -> Iterator[ParsingProcess]:
    process = ParsingProcess()
    yield process
    process.close()


def harmed(content: bytes, chance: random.Random) -> bytes:
    harmed = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        place = chance.randrange(len(harmed) + 1)
        how = chance.randrange(4)
        if how == 0:
            harmed[place : place + 1] = bytes([chance.randrange(256)])
        elif how == 1:
            del harmed[place : place + chance.randrange(1, 40)]
        elif how == 2:
            harmed[place:place] = harmed[place // 2 : place // 2 + 60]
        else:
            harmed[place:place] = chance.choice(SPLICED)
    return bytes(harmed)


def harmed_inside(content: bytes, chance: random.Random) -> bytes:
    """A package with one or two of its parts harmed and all sums right again."""
    parts = [name for name in zipfile.ZipFile(io.BytesIO(content)).namelist() if name.endswith(("xml", ".rels", ".opf"))]
    chosen = set(chance.choices(parts, k=2))
    return packages.changed(content, lambda name, part: harmed(part, chance) if name in chosen else part)


@pytest.mark.parametrize("name", FORMATS)
def test_a_harmed_file_is_read_or_refused_and_never_ends_its_process(name: str, parsing: ParsingProcess, tmp_path: Path) -> None:
    chance = random.Random(name)
    good, said = FORMATS[name](), []
    for time in range(TIMES):
        inside = good.startswith(b"PK") and time % 4
        source = tmp_path / "original"
        source.write_bytes(harmed_inside(good, chance) if inside else harmed(good, chance))
        try:
            parsing.parse(source, name, ParsedFiles(tmp_path), Limits(), silent)
        except IngestError as error:
            said.append(str(error))
    assert not [sentence for sentence in said if "crash" in sentence or "nobody foresaw" in sentence or not sentence.endswith(".")]
