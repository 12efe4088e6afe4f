"""Picture files as documents: how many pages, how large, which way up; and what is refused."""

from __future__ import annotations

import io
import zlib
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from PIL import Image, ImageDraw

from ingest.errors import FileRefused, IngestError, LimitExceeded
from ingest.limits import Limits
from ingest.model import Kind, ParsedPage
from ingest.parsers.base import ParserContext
from ingest.parsers.registry import choose_parser
from ingest.pictures import open_pictures

MOST = Limits().picture_pixels
FORMATS = ["PNG", "JPEG", "TIFF", "WEBP"]


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def half_black() -> Image.Image:
    """60 x 20 pixels, the left half black."""
    image = Image.new("RGB", (60, 20), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 29, 19), fill="black")
    return image


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "original"


def drawn(source: Path, wide: float = 60, page: int = 1) -> Image.Image:
    with open_pictures(source, MOST) as pictures:
        return pictures.draw(page, wide, 1_000_000)


def parsed(source: Path, limits: Limits | None = None) -> list[ParsedPage]:
    context = ParserContext(limits or Limits())
    parser = choose_parser(source, "whatever.it.is", context.limits)
    assert parser.kind is Kind.PAGED
    pages = list(parser.parse(source, context))
    assert parser.count_pages(source, context) == len(pages)
    return pages


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_a_document_of_one_page_that_wants_ocr(source: Path, form: str) -> None:
    source.write_bytes(encoded(half_black(), form, dpi=(144, 144)))
    (page,) = parsed(source)
    assert (page.text, page.wants_ocr, page.width / page.height) == ("", True, 3.0)
    assert page.width == pytest.approx(28.8 if form == "WEBP" else 30.0, rel=1e-3)  # WebP keeps no resolution


def test_a_tiff_has_pages_and_a_moving_picture_one(source: Path) -> None:
    frames = [Image.new("L", (10 * size, 10)) for size in (1, 2, 3)]
    source.write_bytes(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    assert [(page.number, page.width / page.height) for page in parsed(source)] == [(1, 1.0), (2, 2.0), (3, 3.0)]
    moving = [half_black(), half_black().rotate(180)]
    source.write_bytes(encoded(moving[0], "WEBP", save_all=True, append_images=moving[1:]))
    assert len(parsed(source)) == 1


@pytest.mark.parametrize(
    ("orientation", "size", "black"), [(1, (60, 20), (5, 10)), (3, (60, 20), (55, 10)), (6, (20, 60), (10, 5)), (8, (20, 60), (10, 55))]
)
def test_it_is_the_way_up_that_the_camera_says(source: Path, orientation: int, size: tuple[int, int], black: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    source.write_bytes(encoded(half_black(), "PNG", exif=exif))
    picture = drawn(source, wide=100)
    assert picture.size == size
    assert picture.getpixel(black) == (0, 0, 0)
    assert parsed(source)[0].width > parsed(source)[0].height if size[0] > size[1] else parsed(source)[0].width < parsed(source)[0].height


def test_it_is_drawn_smaller_and_never_larger(source: Path) -> None:
    source.write_bytes(encoded(half_black(), "PNG"))
    assert drawn(source, wide=30).size == (30, 10)
    assert drawn(source, wide=600).size == (60, 20)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_white_paper_is_white_in_every_mode(source: Path, mode: str) -> None:
    image = Image.new("I;16", (8, 8), 65535) if mode == "I;16" else Image.new("RGB", (8, 8), "white").convert(mode)
    source.write_bytes(encoded(image, "TIFF" if mode == "CMYK" else "PNG"))
    assert min(drawn(source).getpixel((4, 4))) >= 254  # type: ignore[type-var]


def test_what_shows_through_is_paper(source: Path) -> None:
    source.write_bytes(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG"))
    assert drawn(source).getpixel((4, 4)) == (255, 255, 255)


def test_too_many_pixels_are_refused_before_they_are_decoded(source: Path) -> None:
    source.write_bytes(encoded(half_black(), "PNG"))
    with pytest.raises(LimitExceeded, match=r"has 0.0 million pixels.*LONGREAD_LIMIT_PICTURE_PIXELS"):
        parsed(source, Limits(picture_pixels=1_000))
    bomb = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))
    bomb[16:24] = (50_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    source.write_bytes(bytes(bomb))
    with pytest.raises(LimitExceeded, match=r"has 2,500.0 million pixels, more than the 100 million"):
        parsed(source)


def test_too_many_pages_are_refused(source: Path) -> None:
    frames = [Image.new("1", (4, 4))] * 3
    source.write_bytes(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    with pytest.raises(LimitExceeded, match=r"This TIFF has 3 pages, 1 more than the 2"):
        choose_parser(source, "a.tif", Limits()).count_pages(source, ParserContext(Limits(pages=2)))


def test_a_cut_picture_says_so(source: Path) -> None:
    source.write_bytes(encoded(Image.effect_noise((100, 100), 50), "PNG")[:600])
    with pytest.raises(FileRefused, match="Page 1 is damaged"):
        drawn(source)
    source.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(FileRefused, match="damaged and cannot be opened"):
        drawn(source)


@pytest.mark.parametrize("form", FORMATS)
def test_a_harmed_picture_is_drawn_or_refused(source: Path, form: str) -> None:
    random = Random(form)
    whole = encoded(half_black(), form)
    for _ in range(150):
        harmed = bytearray(whole)
        for _ in range(random.randrange(1, 6)):
            harmed[random.randrange(8, len(harmed))] = random.randrange(256)
        source.write_bytes(bytes(harmed[: random.choice([len(harmed), random.randrange(12, len(harmed))])]))
        with suppress(IngestError):
            assert drawn(source).mode == "RGB"
