"""Pictures in files of text: what they are said to show is read, in brackets, where they stand."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from docx.document import Document as WordDocument
from PIL import Image
from pptx import Presentation
from pptx.util import Inches

from tests.ingest import packages
from tests.ingest.test_book import book, chapter
from tests.ingest.test_open_document import document, paragraph

TextOf = Callable[..., str]
SAID = "Fees rise\n from 40 to 60 euros"
READ = "[picture: Fees rise from 40 to 60 euros]"


def picture() -> io.BytesIO:
    target = io.BytesIO()
    Image.new("RGB", (4, 4)).save(target, "PNG")
    target.seek(0)
    return target


def word(description: str) -> bytes:
    def write(made: WordDocument) -> None:
        made.add_paragraph("Before.")
        made.add_picture(picture())
        for properties in made.element.iter("{*}docPr"):
            properties.set("descr", description)
        made.add_paragraph("After.")

    return packages.word(write)


def slides(description: str) -> bytes:
    made = Presentation()
    slide = made.slides.add_slide(made.slide_layouts[6])
    slide.shapes.add_textbox(*(Inches(1),) * 4).text_frame.text = "Before."
    slide.shapes.add_picture(picture(), Inches(1), Inches(1))._element.nvPicPr.cNvPr.set("descr", description)
    slide.shapes.add_textbox(*(Inches(1),) * 4).text_frame.text = "After."
    target = io.BytesIO()
    made.save(target)
    return target.getvalue()


def page(description: str) -> bytes:
    return f'<html><body><p>Before.</p><p><img src="a.png" alt="{description}"></p><p>After.</p></body></html>'.encode()


def novel(description: str) -> bytes:
    return book(OEBPS__text__one_dot_xhtml=chapter("One", f'Before. <img src="a.png" alt="{description}"/> After.'))


def open_text(description: str) -> bytes:
    frame = f'<draw:frame><draw:image/><svg:desc xmlns:svg="s">{description}</svg:desc></draw:frame>'
    return document(paragraph("Before.") + paragraph(frame) + paragraph("After."))


def open_slides(description: str) -> bytes:
    frame = f'<draw:frame><draw:image/><svg:desc xmlns:svg="s">{description}</svg:desc></draw:frame>'
    box = "<draw:frame><draw:text-box>{}</draw:text-box></draw:frame>"
    boxes = [box.format(paragraph("Before.")), frame, box.format(paragraph("After."))]
    return document(f"<draw:page>{''.join(boxes)}</draw:page>", kind="presentation")


MADE: dict[str, Callable[[str], bytes]] = {
    "a.docx": word,
    "a.pptx": slides,
    "a.html": page,
    "a.epub": novel,
    "a.odt": open_text,
    "a.odp": open_slides,
}


@pytest.mark.parametrize("name", MADE)
def test_what_a_picture_is_said_to_show_stands_where_it_stands(text_of: TextOf, name: str) -> None:
    words = text_of(MADE[name](SAID), name)
    assert words.index("Before.") < words.index(READ) < words.index("After.")


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("nothing", ["", "  ", "image1.PNG"])
def test_a_picture_of_which_nothing_is_said_leaves_no_trace(text_of: TextOf, name: str, nothing: str) -> None:
    words = text_of(MADE[name](nothing), name)
    assert "After." in words
    assert "picture" not in words.lower()
    assert "png" not in words.lower()


def test_a_text_box_that_is_described_is_no_picture(text_of: TextOf) -> None:
    box = f'<draw:frame><draw:text-box>{paragraph("Boxed.")}</draw:text-box><svg:desc xmlns:svg="s">A box</svg:desc></draw:frame>'
    assert text_of(document(paragraph(box)), "a.odt") == "Boxed.\n\n"
