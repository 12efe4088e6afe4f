"""Page images, drawn in a process apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image

from ingest.errors import FileRefused
from ingest.limits import Limits
from ingest.render import AHEAD_AT_ONCE, draw_ahead, image_path, page_image
from ingest.storage import DocumentFolder
from tests.ingest import pdfs

Stored = Callable[[bytes], DocumentFolder]


def test_it_draws_a_page_where_its_words_are(stored: Stored) -> None:
    folder = stored(pdfs.pages_of_text([(59.5, 842 - 84.2, "IIIIIIII")]))
    with Image.open(page_image(folder, 1, 900)) as image:
        assert (image.format, image.width) == ("WEBP", 900)
        left, top, right, bottom = image.convert("L").point(lambda value: 255 * (value < 128)).getbbox() or (0, 0, 0, 0)
        assert left / image.width == pytest.approx(0.1, abs=0.01)
        assert bottom / image.height == pytest.approx(0.9, abs=0.01)
        assert right < image.width / 3
        assert top > image.height * 0.85


def test_it_draws_the_next_pages_in_the_same_go(stored: Stored) -> None:
    folder = stored(pdfs.pages_of_text(*[[(72, 72, "x")]] * 5))
    page_image(folder, 2, 900)
    drawn = sorted(path.name for path in folder.images.iterdir())
    assert drawn == ["2-900.webp", "3-900.webp", "4-900.webp"]


def test_drawing_ahead_makes_what_a_pane_asks_for_some_pages_at_a_time(stored: Stored) -> None:
    folder = stored(pdfs.pages_of_text(*[[(72, 72, "x")]] * (AHEAD_AT_ONCE + 2)))
    following = draw_ahead(folder, 1)
    assert following == AHEAD_AT_ONCE + 1
    wanted = {image_path(folder.images, page, width) for page in range(1, following) for width in (900, 180)}
    assert set(folder.images.iterdir()) == wanted
    draw_ahead(folder, following)
    assert len(list(folder.images.iterdir())) == 2 * (AHEAD_AT_ONCE + 2)


def test_drawing_ahead_leaves_out_what_cannot_be_drawn_and_a_document_that_is_gone(stored: Stored) -> None:
    damaged = stored(b"no PDF at all")
    assert draw_ahead(damaged, 1) == AHEAD_AT_ONCE + 1
    assert not list(damaged.images.iterdir())
    damaged.delete()
    with pytest.raises(FileNotFoundError):
        draw_ahead(damaged, 1)
    assert not damaged.folder.exists()


def test_it_does_not_draw_again_what_is_there(stored: Stored) -> None:
    folder = stored(b"no PDF at all")
    folder.images.mkdir()
    image_path(folder.images, 1, 900).write_bytes(b"drawn")
    assert page_image(folder, 1, 900).read_bytes() == b"drawn"


@pytest.mark.parametrize(("content", "page"), [(b"no PDF at all", 1), (pdfs.pages_of_text([(1, 1, "x")]), 2)])
def test_it_says_when_a_page_cannot_be_drawn(stored: Stored, content: bytes, page: int) -> None:
    with pytest.raises(FileRefused, match=f"Page {page} cannot be drawn"):
        page_image(stored(content), page, 900)


def test_it_caps_the_pixels_of_a_page_that_is_all_height(stored: Stored) -> None:
    folder = stored(pdfs.by_hand("3 0 R", 1, pdfs.PAGE.replace("0 0 612 792", "0 0 100 14000")))
    with Image.open(page_image(folder, 1, 1800)) as image:
        assert image.width * image.height <= Limits().image_pixels * 1.01


def test_it_draws_in_standard_widths_only(stored: Stored) -> None:
    with pytest.raises(ValueError, match="not 901"):
        page_image(stored(b""), 1, 901)
