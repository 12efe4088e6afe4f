"""Pictures in office files and books: taken out where the text shows them, their words read and laid into it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from docx.document import Document as WordDocument
from docx.shared import Inches
from PIL import Image
from pptx import Presentation
from pptx.util import Inches as SlideInches

from ingest.document import read_document
from ingest.inlaid import Inlaid, inlaid
from ingest.limits import Limits
from ingest.model import DocumentSummary, Embedded, ParsedPage, Reading, Word
from ingest.parsers.base import ParserContext
from ingest.parsers.pdf import PdfParser
from ingest.parsers.registry import choose_parser
from ingest.prompt.page_map import PageMap
from ingest.render import PANE, page_image
from ingest.storage import DocumentFolder
from tests.ingest import packages
from tests.ingest.conftest import ByteTokenizer
from tests.ingest.test_book import book, chapter
from tests.ingest.test_described import open_text
from tests.ingest.test_open_document import document, paragraph
from tests.ingest.test_scans import LINES, TEXT
from tests.ingest.test_scans import picture as scanned

Stored = Callable[[bytes], DocumentFolder]
Taken = tuple[str, list[ParsedPage], Path]
READ = "[words in picture 1]\n\n" + "\n".join(LINES) + "\n\n[end of picture 1]"


def coloured(width: int = 120, height: int = 90, form: str = "PNG", colour: str = "red") -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(target, form)
    return target.getvalue()


def packed(content: bytes, **pictures: bytes) -> bytes:
    """The same package with pictures in it."""
    return packages.changed(content, **pictures)  # type: ignore[arg-type]


def word(*pictures: bytes, wide: float | None = None) -> bytes:
    """Each in a paragraph of its own, between two of words."""

    def write(made: WordDocument) -> None:
        made.add_paragraph("Before.")
        for picture in pictures:
            made.add_picture(io.BytesIO(picture), width=Inches(wide) if wide else None)
        made.add_paragraph("After.")

    return packages.word(write)


def slides() -> bytes:
    made = Presentation()
    slide = made.slides.add_slide(made.slide_layouts[6])
    slide.shapes.add_textbox(*(SlideInches(1),) * 4).text_frame.text = "Before."
    slide.shapes.add_picture(io.BytesIO(coloured()), SlideInches(1), SlideInches(1))
    slide.shapes.add_textbox(*(SlideInches(1),) * 4).text_frame.text = "After."
    target = io.BytesIO()
    made.save(target)
    return target.getvalue()


def novel(words: str) -> bytes:
    return packed(book(OEBPS__text__one_dot_xhtml=chapter("One", words)), OEBPS__pictures__a_b_dot_png=coloured())


def old_word() -> bytes:
    """As Word 2003 drew it."""
    shape = '<w:pict xmlns:v="v"><v:shape><v:imagedata r:id="{}"/></v:shape></w:pict>'

    def change(name: str, part: bytes) -> bytes:
        if name != "word/document.xml":
            return part
        (id,) = re.findall(rb'r:embed="(\w+)"', part)
        return re.sub(rb"<w:drawing>.*</w:drawing>", shape.format(id.decode()).encode(), part, flags=re.DOTALL)

    return packages.changed(word(coloured()), change)


def open_forms() -> bytes:
    """A drawing with a picture of it beside, as LibreOffice keeps them."""
    images = "".join(f'<draw:image xmlns:xlink="x" xlink:href="Pictures/{name}"/>' for name in ("a.svg", "a.png"))
    frame = f"<draw:frame>{images}</draw:frame>"
    content = document(paragraph("Before.") + paragraph(frame) + paragraph("After."))
    return packed(content, Pictures__a_dot_svg=b"<svg/>", Pictures__a_dot_png=coloured())


def open_slides() -> bytes:
    frame = '<draw:frame><draw:image xmlns:xlink="x" xlink:href="./Pictures/a.png"/></draw:frame>'
    box = "<draw:frame><draw:text-box>{}</draw:text-box></draw:frame>"
    boxes = [box.format(paragraph("Before.")), frame, box.format(paragraph("After."))]
    return packed(document(f"<draw:page>{''.join(boxes)}</draw:page>", kind="presentation"), Pictures__a_dot_png=coloured())


def take(content: bytes, tmp_path: Path, limits: Limits | None = None) -> Taken:
    """The text of a file, its pictures, and the folder in which they are."""
    source, into, limits = tmp_path / "original", tmp_path / "embedded", limits or Limits()
    source.write_bytes(content)
    parts = list(choose_parser(source, "file", limits).parse(source, ParserContext(limits, into)))
    return "".join(part.text for part in parts), [embedded.picture for part in parts for embedded in part.pictures], into


@pytest.mark.parametrize(
    "content",
    [
        word(coloured()),
        old_word(),
        slides(),
        novel('Before. <img src="../pictures/a_b.png"/> After.'),
        novel('Before. <svg xmlns:xlink="x"><title>T</title><image xlink:href="../pictures/a%5fb.png"/></svg> After.'),
        open_forms(),
        open_slides(),
    ],
    ids=["docx", "old docx", "pptx", "epub", "epub cover", "odt", "odp"],
)
def test_a_picture_is_taken_out_where_the_text_shows_it(tmp_path: Path, content: bytes) -> None:
    text, pictures, into = take(content, tmp_path)
    assert text.index("Before.") < text.index("[picture 1]") < text.index("After.")
    assert "\x00" not in text
    assert [(picture.number, picture.width, picture.height) for picture in pictures] == [(1, 90.0, 67.5)]
    assert {file.name: file.read_bytes() for file in into.iterdir()} == {"1": coloured()}


def test_what_it_is_said_to_show_stands_with_its_number(tmp_path: Path) -> None:
    frame = b'<draw:image xmlns:xlink="x" xlink:href="Pictures/a.png"/>'
    changed = packages.changed(open_text("A map"), lambda _, part: part.replace(b"<draw:image/>", frame))
    text, _, _ = take(packed(changed, Pictures__a_dot_png=coloured()), tmp_path)
    assert text == "Before.\n\n[picture 1: A map]\n\nAfter.\n\n"


def test_a_picture_that_is_shown_often_is_read_once(tmp_path: Path) -> None:
    logo, other = coloured(), coloured(colour="blue")
    text, pictures, _ = take(word(logo, other, logo), tmp_path)
    assert text == "Before.\n\n[picture 1]\n\n[picture 2]\n\n[picture 1]\n\nAfter.\n\n"
    assert [picture.number for picture in pictures] == [1, 2]


def test_a_note_has_the_picture_that_its_own_part_names(tmp_path: Path) -> None:
    """The same id means another picture there."""
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relation = f'<Relationships xmlns="r"><Relationship Id="rId1" Type="{kinds}/image" Target="media/{{}}.png"/></Relationships>'
    drawn = '<w:drawing><wp:inline xmlns:wp="wp"><wp:docPr/><a:blip xmlns:a="a" xmlns:r="r" r:embed="rId1"/></wp:inline></w:drawing>'
    body = f'<w:p><w:r>{drawn}</w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
    notes = f'<w:footnotes xmlns:w="{packages.W}"><w:footnote w:id="2"><w:p><w:r>{drawn}</w:r></w:p></w:footnote></w:footnotes>'
    plain = packages.changed(word(), lambda name, part: relation.format("a").encode() if name == "word/_rels/document.xml.rels" else part)
    content = packages.with_body(plain, body)
    content = packages.changed(content, word__footnotes_dot_xml=notes, word___rels__footnotes_dot_xml_dot_rels=relation.format("b"))
    pictures = {"word__media__a_dot_png": coloured(), "word__media__b_dot_png": coloured(colour="blue")}
    text, taken, into = take(packed(content, **pictures), tmp_path)
    assert text == "[picture 1][1]\n\n[1] [picture 2]\n\n"
    assert [(into / str(picture.number)).read_bytes() for picture in taken] == list(pictures.values())


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_it_takes_what_pictures_people_put_into_books(tmp_path: Path, form: str) -> None:
    content = packed(book(OEBPS__text__one_dot_xhtml=chapter("One", '<img src="x"/>')), OEBPS__text__x=coloured(form=form))
    _, pictures, _ = take(content, tmp_path)
    assert [(picture.width, picture.height) for picture in pictures] == [(90.0, 67.5)]


@pytest.mark.parametrize(
    ("picture", "limits"),
    [
        (coloured(30, 900), Limits()),
        (coloured()[:60], Limits()),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Limits()),
        (coloured(), Limits(picture_pixels=10_799)),
        (coloured(), Limits(file_bytes=2_000, archive_bytes=100)),
        (coloured(), Limits(pages=0)),
    ],
    ids=["narrow", "damaged", "drawing", "too many pixels", "too many bytes", "too many"],
)
def test_what_is_left_out_leaves_no_trace(tmp_path: Path, picture: bytes, limits: Limits) -> None:
    content = packed(book(OEBPS__text__one_dot_xhtml=chapter("One", 'a <img src="x"/> b</p><p><img src="x" alt="Said"/> c')))
    content = packed(content, OEBPS__text__x=picture)
    text, pictures, into = take(content, tmp_path, limits)
    assert text.startswith("## One\n\na b\n\n[picture: Said] c\n\n")
    assert pictures == []
    assert not into.exists() or list(into.iterdir()) == []


def test_no_words_of_a_file_make_a_picture(tmp_path: Path) -> None:
    """What marks a picture's place cannot be written in a file."""
    body = paragraph("[picture 1] &#0;1&#0;")
    text, pictures, _ = take(novel("a \x001\x00 b &#0;1&#0; c"), tmp_path)
    assert pictures == []
    assert "picture" not in text
    with pytest.raises(Exception, match="damaged"):
        take(document(body), tmp_path)


# ---------------------------------------------------------------------------------------------------- their words in the text


def part(text: str, *shown: str) -> ParsedPage:
    return ParsedPage(1, text, pictures=tuple(Embedded(text.index(at) + len(at), ParsedPage(int(at[9:-1]), "")) for at in shown))


def said(number: int, text: str) -> ParsedPage:
    return ParsedPage(number, text, 75.0, 75.0, (Word(0, len(text), (0.1, 0.2, 0.3, 0.4)),) if text else (), has_image=True)


def spans(made: Inlaid, start: int) -> list[str]:
    return [made.text[page.start_char - start : page.end_char - start] for page, _ in made.pictures]


def test_words_stand_under_the_paragraph_and_the_table_that_show_them() -> None:
    text = "See [picture 1] and [picture 2] here.\n\n| a | [picture 3] |\n| b | c |\n\nThe end.\n\n"
    made = inlaid(
        part(text, "[picture 1]", "[picture 2]", "[picture 3]"), {1: said(1, "One\ntwo"), 2: said(2, ""), 3: said(3, "Three")}, 1000
    )
    first, third = "[words in picture 1]\n\nOne\ntwo\n\n[end of picture 1]", "[words in picture 3]\n\nThree\n\n[end of picture 3]"
    assert made.text == (f"See [picture 1] and [picture 2] here.\n\n{first}\n\n| a | [picture 3] |\n| b | c |\n\n{third}\n\nThe end.\n\n")
    assert spans(made, 1000) == [first, "", third]
    starts = [page.start_char for page, _ in made.pictures]
    assert starts == sorted(starts)
    words = [made.text[row["start"] - 1000 : row["end"] - 1000] for _, rows in made.pictures for row in rows]
    assert words == ["One\ntwo", "Three"]
    assert [row["page"] for _, rows in made.pictures for row in rows] == [1, 3]


@pytest.mark.parametrize("text", ["[picture 1]", "[picture 1]\n", "[picture 1]\n\n"])
def test_words_stand_at_the_end_of_a_part(text: str) -> None:
    made = inlaid(part(text, "[picture 1]"), {1: said(1, "One")}, 0)
    assert made.text == text.replace("1]", "1]\n\n[words in picture 1]\n\nOne\n\n[end of picture 1]", 1)


# ---------------------------------------------------------------------------------------------------- from file to quote


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[DocumentFolder, DocumentSummary]:
    """A Word file with a scanned page, a red area, an icon, and a header's logo."""
    page = io.BytesIO()
    scanned().save(page, "PNG")
    folder = DocumentFolder(tmp_path_factory.mktemp("documents"), "word")
    folder.folder.mkdir()
    folder.original.write_bytes(word(page.getvalue(), coloured(), coloured(8, 8), wide=5.0))
    return folder, read_document("a.docx", "", folder, ByteTokenizer())


def test_the_words_of_a_picture_are_text_at_its_place(read: tuple[DocumentFolder, DocumentSummary]) -> None:
    folder, summary = read
    assert folder.parsed.text.read_text() == f"Before.\n\n[picture 1]\n\n{READ}\n\n[picture 2]\n\nAfter.\n\n"
    assert [(page.reading, page.has_text, page.shows_more) for page in summary.pages] == [
        (Reading.OCR, True, True),
        (Reading.FILE, False, False),
    ]
    assert summary.notes == (
        "Picture 1 was read by OCR.",
        "OCR found no text in picture 2; it can be looked at but not quoted.",
        "A picture in this file is neither read nor shown: it is too small, damaged, a drawing, or not in its text. "
        "A PDF printed from it has what can be seen.",
    )


def test_a_quote_from_a_picture_is_marked_on_it_and_has_lines(read: tuple[DocumentFolder, DocumentSummary], tmp_path: Path) -> None:
    """Beside the places that the words had before they were a picture."""
    folder, _ = read
    (tmp_path / "a.pdf").write_bytes(TEXT)
    (printed,) = PdfParser().parse(tmp_path / "a.pdf", ParserContext())
    text, page_map = folder.parsed.text.read_text(), PageMap.open(folder.parsed)
    start, first = text.index("repair the turbine"), printed.text.index("repair")
    place = page_map.place(start, start + len("repair the turbine"))
    words = [word.box for word in printed.words if first <= word.start < first + len("repair the turbine")]
    assert (place.page, place.first_line, place.last_line, place.reading) == (None, 7, 7, Reading.OCR)
    ((number, box),) = place.boxes
    assert number == 1
    assert box[::2] == pytest.approx((words[0][0], words[-1][2]), abs=0.012)
    assert box[1] - 0.005 < words[0][1] < words[0][3] < box[3] + 0.005
    assert (page_map.place(0, 7).boxes, page_map.place(0, 7).reading) == ((), Reading.FILE)


def test_it_can_be_looked_at(read: tuple[DocumentFolder, DocumentSummary]) -> None:
    folder, _ = read
    with Image.open(page_image(folder, 2, PANE)) as image:
        assert image.size == (120, 90)
        assert image.convert("L").getpixel((60, 45)) == pytest.approx(76, abs=8), "red"
    with Image.open(page_image(folder, 1, PANE)) as image:
        assert image.width == PANE


def test_a_document_of_nothing_but_scans_in_a_word_file_is_read(stored: Stored) -> None:
    page = io.BytesIO()
    scanned().save(page, "JPEG")
    content = packages.word(lambda made: made.add_picture(io.BytesIO(page.getvalue())))
    folder = stored(content)
    read_document("a.docx", "", folder, ByteTokenizer(), limits=Limits(ocr_processes=1))
    assert READ in folder.parsed.text.read_text()


def test_with_ocr_off_they_are_shown_and_the_note_says_so(stored: Stored) -> None:
    folder = stored(word(coloured(), coloured(colour="blue")))
    summary = read_document("a.docx", "", folder, ByteTokenizer(), limits=Limits(ocr_processes=0))
    assert summary.notes == ("Pictures 1-2 were not read by OCR; they can be looked at but not quoted.",)
    assert page_image(folder, 2, PANE).is_file()


def test_a_later_version_has_none_of_the_earlier_pictures(stored: Stored) -> None:
    folder = stored(word(coloured(), coloured(colour="blue")))
    read_document("a.docx", "", folder, ByteTokenizer(), limits=Limits(ocr_processes=0))
    folder.original.write_bytes(word())
    summary = read_document("a.docx", "", folder, ByteTokenizer(), limits=Limits(ocr_processes=0))
    assert (summary.pages, summary.notes) == ((), ())
    assert not folder.parsed.embedded.exists()
