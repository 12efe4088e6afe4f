"""Pictures in office files and books that nobody reads or sees: counted, and said."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ingest.document import read_document
from ingest.parsers.left_out import pictures_in
from ingest.storage import DocumentFolder
from tests.ingest import packages
from tests.ingest.conftest import ByteTokenizer


def picture() -> io.BytesIO:
    target = io.BytesIO()
    Image.new("L", (20, 20), 90).save(target, "PNG")
    target.seek(0)
    return target


def test_a_word_file_says_how_many_pictures_nobody_sees(stored: Callable[[bytes], DocumentFolder]) -> None:
    content = packages.word(lambda document: (document.add_paragraph("The fee is 40 euros."), document.add_picture(picture())))
    summary = read_document("a.docx", "", stored(content), ByteTokenizer())
    assert summary.notes == (
        "A picture in this file is neither read nor shown: it is too small, damaged, a drawing, or not in its text. "
        "A PDF printed from it has what can be seen.",
    )
    plain = packages.word(lambda document: document.add_paragraph("The fee is 40 euros."))
    assert read_document("a.docx", "", stored(plain), ByteTokenizer()).notes == ()


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (packages.zipped({"OEBPS/cover.JPG": b"", "OEBPS/two.svg": b"", "META-INF/a.png": b"", "OEBPS/one.xhtml": b""}), 2),
        (packages.zipped({"Thumbnails/thumbnail.png": b"", "docProps/thumbnail.jpeg": b"", "Pictures/1.emf": b""}), 1),
        (b"PK\x03\x04 and no more", 0),
        (b"Words.", 0),
        (b"", 0),
    ],
)
def test_it_counts_pictures_and_not_those_of_the_file_itself(tmp_path: Path, content: bytes, count: int) -> None:
    (tmp_path / "a").write_bytes(content)
    assert pictures_in(tmp_path / "a") == count
    assert zipfile.is_zipfile(tmp_path / "a") or count == 0
