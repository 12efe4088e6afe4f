"""A small good file of every format that is read, for `tests/ingest/test_damaged.py` and `./run bench fuzz` to harm."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable

from PIL import Image, ImageDraw

from tests.ingest import packages, pdfs
from tests.ingest.test_book import book
from tests.ingest.test_embedded import coloured, novel, word
from tests.ingest.test_mail import mail
from tests.ingest.test_open_document import OUTLINE, document, paragraph
from tests.ingest.test_sheets import saved, workbook
from tests.ingest.test_slides import presentation
from tests.ingest.test_slides import saved as saved_slides
from tests.ingest.test_web import PAGE
from tests.ingest.test_word import CLAUSES, contract, item, numbered

TEXT = b'# Fees\n\n| a | b |\n| --- | --- |\n| 1 | "2 |\n\nFee\n---\n'
RICH = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\pard The \b fee\b0  is 40 \'80.\par\u8364? {\pict 8950}\trowd\cell a\row}"
MEMBERS = {"tolls/fees.py": b"def fee():\n    return 40\n", "notes.txt": TEXT}


def letter() -> bytes:
    message = mail()
    message.set_content("<p>words</p>", subtype="html")
    message.add_attachment(b"PK", maintype="application", subtype="zip", filename="März.zip")
    return message.as_bytes()


def open_sheet() -> bytes:
    cells = "<table:table-cell><text:p>a</text:p></table:table-cell>" * 2
    return document(f'<table:table table:name="S"><table:table-row>{cells}</table:table-row></table:table>', kind="spreadsheet")


def open_slides() -> bytes:
    frame = f'<draw:frame presentation:class="title"><draw:text-box>{paragraph("Fees")}</draw:text-box></draw:frame>'
    return document(f'<draw:page draw:name="1">{frame}</draw:page>', kind="presentation")


def picture(form: str) -> bytes:
    """Small: harming many must be quick, whatever reads them."""
    image = Image.new("L", (60, 20), 255)
    ImageDraw.Draw(image).text((4, 4), "EUR 40", fill=0)
    target = io.BytesIO()
    image.save(target, form)
    return target.getvalue()


def packed() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in MEMBERS.items():
            archive.writestr(name, content)
    return target.getvalue()


def rolled(mode: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in MEMBERS.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


SEEDS: dict[str, Callable[[], bytes]] = {
    "a.pdf": lambda: pdfs.pages_of_text([(72, 72, "Page one")], [(72, 72, "Page two")]),
    "scan.pdf": pdfs.scan,
    "a.docx": lambda: packages.word(contract),
    "b.docx": lambda: numbered("".join(item("x", depth % 3) for depth in range(9)), CLAUSES),
    "c.docx": lambda: word(coloured(), coloured(form="GIF"), coloured(8, 8)),
    "a.xlsx": lambda: saved(workbook(S=[["a", "b"], [1, 2.5], ["x", None]])),
    "a.pptx": lambda: saved_slides(presentation()),
    "a.odt": lambda: document(f'<text:h text:outline-level="1">H</text:h>{paragraph("x")}', outline=OUTLINE),
    "a.ods": open_sheet,
    "a.odp": open_slides,
    "a.epub": book,
    "b.epub": lambda: novel('<img src="../pictures/a_b.png" alt="A map"/>'),
    "a.html": lambda: PAGE.encode(),
    "a.eml": letter,
    "a.rtf": lambda: RICH,
    "a.csv": lambda: b'a,b\n1,"x\ny"\n2,3\n',
    "a.md": lambda: TEXT,
    "a.py": lambda: MEMBERS["tolls/fees.py"],
    "a.png": lambda: picture("PNG"),
    "a.jpg": lambda: picture("JPEG"),
    "a.tif": lambda: picture("TIFF"),
    "a.webp": lambda: picture("WEBP"),
    "a.zip": packed,
    "a.tar": lambda: rolled("w"),
    "a.tar.gz": lambda: rolled("w:gz"),
}
