"""Presentations. python-pptx makes them and is the independent reader."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from pptx import Presentation
from pptx.presentation import Presentation as Slides
from pptx.util import Inches

from ingest.errors import FileRefused
from tests.ingest import packages

TextOf = Callable[..., str]
BOX = (Inches(1), Inches(1), Inches(4), Inches(2))


def presentation() -> Slides:
    slides = Presentation()
    one = slides.slides.add_slide(slides.slide_layouts[1])
    one.shapes.title.text = "Fees\nand dues"
    one.placeholders[1].text = "Storage costs 40 euros\nMoving costs more"
    one.notes_slide.notes_text_frame.text = "Say this slowly."
    two = slides.slides.add_slide(slides.slide_layouts[6])
    table = two.shapes.add_table(2, 2, *BOX).table
    for row, cells in enumerate([("Item", "Fee"), ("Boat", "3")]):
        for column, words in enumerate(cells):
            table.cell(row, column).text = words
    two.shapes.add_group_shape().shapes.add_textbox(*BOX).text_frame.text = "in a group"
    return slides


def saved(slides: Slides) -> bytes:
    target = io.BytesIO()
    slides.save(target)
    return target.getvalue()


def test_it_reads_slide_by_slide(text_of: TextOf) -> None:
    assert text_of(saved(presentation()), "a.pptx") == (
        "# Slide 1: Fees and dues\n\nStorage costs 40 euros\nMoving costs more\n\nNotes: Say this slowly.\n\n"
        "# Slide 2\n\n| Item | Fee |\n| --- | --- |\n| Boat | 3 |\n\nin a group\n\n"
    )


def test_it_reads_every_word_that_python_pptx_reads(text_of: TextOf) -> None:
    content = saved(presentation())
    shapes = [shape for slide in Presentation(io.BytesIO(content)).slides for shape in slide.shapes]
    words = [word for shape in shapes if shape.has_text_frame for word in shape.text_frame.text.split()]
    assert words
    assert set(words) <= set(text_of(content).split())


def test_it_keeps_the_order_of_the_presentation_and_marks_hidden_slides(text_of: TextOf) -> None:
    slides = presentation()
    listed = slides.slides._sldIdLst
    listed.append(listed[0])  # the first becomes the last
    slides.slides[0]._element.set("show", "0")
    text = text_of(saved(slides))
    assert text.startswith("# Slide 1 (hidden)\n\n| Item")
    assert "# Slide 2: Fees and dues" in text


def test_it_refuses_what_is_damaged_or_shows_pictures_alone(text_of: TextOf) -> None:
    with pytest.raises(FileRefused, match="PowerPoint presentation is damaged"):
        text_of(packages.changed(saved(presentation()), lambda name, part: b"<p" if name == "ppt/slides/slide1.xml" else part))
    with pytest.raises(FileRefused, match="holds no text"):
        text_of(saved(Presentation()))
