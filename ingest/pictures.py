"""The pages of a file as pictures: drawn from a PDF, or decoded from a picture file, or from a folder of them. Knows no text, and nothing
of who looks at them.

Only for processes under limits (ingest.confined): both decoders are what hostile files attack.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pypdfium2 as pdfium
from PIL import Image, UnidentifiedImageError

from ingest.errors import FileRefused, LimitExceeded
from ingest.limit_settings import exceeded
from ingest.parsers.sniff import Content, sniff

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")
_FORMATS_WITHIN = (*_FORMATS, "GIF", "BMP")  # in books and office files, older ones too
_SCREEN_DPI = 96.0  # of a picture in a text, which is as large as its text says, whatever its file says
_ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset(turn for tag, turn in _TURNS.items() if tag >= 5)
_DPI_LEAST, _DPI_MOST = 50.0, 1200.0  # outside of them nobody scanned: a program wrote what it always writes
_USUAL_DPI = 150.0
# What Pillow raises for files that are not what they say.
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, TypeError, KeyError, IndexError, OverflowError, struct.error, zlib.error)
_POINTS_PER_INCH = 72.0

DAMAGED = "This picture is damaged and cannot be opened. Open it in the program that made it, save it as PNG or JPEG, then upload that."


class Pictures(Protocol):
    """The pages of one open file; `page` counts from 1."""

    def __len__(self) -> int: ...

    def size(self, page: int) -> tuple[float, float]:
        """Width and height in points, as the page is looked at. Raises FileRefused or LimitExceeded."""
        ...

    def draw(self, page: int, wide: float, most_pixels: int) -> Image.Image:
        """The page in RGB, about `wide` pixels wide and of at most so many pixels; a picture is not made larger than it is.

        Raises FileRefused if the page cannot be drawn.
        """
        ...


@contextmanager
def open_pictures(source: Path, picture_pixels: int) -> Iterator[Pictures]:
    """The pages of a PDF or of a picture file, or the pictures named `1`, `2` and so on in a folder; no page may have more than
    `picture_pixels`. Raises FileRefused or LimitExceeded."""
    if source.is_dir():
        yield _PictureFolder(source, picture_pixels)
        return
    if sniff(source) is Content.PICTURE:
        with _opened(source, picture_pixels) as image:
            yield _PictureFile(image, picture_pixels)
        return
    try:
        document = pdfium.PdfDocument(source)
    except pdfium.PdfiumError as error:
        raise FileRefused("This file cannot be drawn.") from error
    try:
        yield _PdfPages(document)
    finally:
        document.close()


@dataclass(frozen=True, slots=True)
class _PdfPages:
    """A PDF's pages, crop box and rotation applied."""

    document: Any

    def __len__(self) -> int:
        return len(self.document)

    def size(self, page: int) -> tuple[float, float]:
        width, height = self._page(page).get_size()
        return float(width), float(height)

    def draw(self, page: int, wide: float, most_pixels: int) -> Image.Image:
        opened = self._page(page)
        width, height = opened.get_size()
        scale = min(wide / width, (most_pixels / (width * height)) ** 0.5)
        picture: Image.Image = opened.render(scale=scale).to_pil()
        return picture.convert("RGB")

    def _page(self, page: int) -> Any:
        try:
            return self.document[page - 1]
        except (pdfium.PdfiumError, IndexError) as error:
            raise FileRefused(_damaged_page(page)) from error


@contextmanager
def _opened(source: Path, picture_pixels: int, formats: tuple[str, ...] = _FORMATS) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures and odd tags: what is too much is refused by its size
            image = Image.open(source, formats=formats)
    except Image.DecompressionBombError as error:
        raise _bomb(error, picture_pixels) from error
    except (UnidentifiedImageError, *_BROKEN) as error:
        raise FileRefused(DAMAGED) from error
    with image:
        yield image


@dataclass(frozen=True, slots=True)
class _PictureFile:
    """One picture, or the pages of a TIFF. A moving picture is its first one."""

    image: Image.Image
    most: int
    dpi: float | None = None  # in place of what it says itself

    def __len__(self) -> int:
        try:
            return int(getattr(self.image, "n_frames", 1)) if self.image.format == "TIFF" else 1
        except _BROKEN as error:
            raise FileRefused(DAMAGED) from error

    def size(self, page: int) -> tuple[float, float]:
        turn = self._turn_to(page)
        width, height = self.image.size
        points = _POINTS_PER_INCH / self._dpi()
        return (height * points, width * points) if turn in _SIDEWAYS else (width * points, height * points)

    def draw(self, page: int, wide: float, most_pixels: int) -> Image.Image:
        turn = self._turn_to(page)
        width, height = self.image.size
        scale = min(1.0, wide / (height if turn in _SIDEWAYS else width), (most_pixels / (width * height)) ** 0.5)
        wanted = max(1, round(width * scale)), max(1, round(height * scale))
        try:
            picture = _plain(self.image).resize(wanted, Image.Resampling.BOX if scale < 0.5 else Image.Resampling.LANCZOS)
        except _BROKEN as error:
            raise FileRefused(_damaged_page(page)) from error
        return picture if turn is None else picture.transpose(turn)

    def _dpi(self) -> float:
        if self.dpi:
            return self.dpi
        across, down = self.image.info.get("dpi", (_USUAL_DPI, _USUAL_DPI))
        return float(across) if across == down and _DPI_LEAST <= across <= _DPI_MOST else _USUAL_DPI

    def _turn_to(self, page: int) -> Image.Transpose | None:
        """Opens the page; gives how it has to be turned to be looked at."""
        try:
            self.image.seek(page - 1)
            self._check_pixels()
            return _TURNS.get(self.image.getexif().get(_ORIENTATION, 1))
        except Image.DecompressionBombError as error:
            raise _bomb(error, self.most) from error
        except _BROKEN as error:
            raise FileRefused(_damaged_page(page)) from error

    def _check_pixels(self) -> None:
        if self.image.width * self.image.height > self.most:
            raise _too_large(self.most, self.image.width * self.image.height)


@dataclass(frozen=True, slots=True)
class _PictureFolder:
    """Pictures that a text shows, each a page."""

    folder: Path
    most: int

    def __len__(self) -> int:
        return len(list(self.folder.iterdir()))

    def size(self, page: int) -> tuple[float, float]:
        with self._page(page) as picture:
            return picture.size(1)

    def draw(self, page: int, wide: float, most_pixels: int) -> Image.Image:
        with self._page(page) as picture:
            return picture.draw(1, wide, most_pixels)

    @contextmanager
    def _page(self, page: int) -> Iterator[_PictureFile]:
        with _opened(self.folder / str(page), self.most, _FORMATS_WITHIN) as image:
            yield _PictureFile(image, self.most, _SCREEN_DPI)


def _plain(image: Image.Image) -> Image.Image:
    """The picture in eight bits a colour, without holes: what shows through one is white, as paper is."""
    if image.mode.startswith("I;16"):
        return image.point(lambda value: value * (1 / 256)).convert("L").convert("RGB")  # Pillow reads factors alone
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        holed = image.convert("RGBA")
        paper = Image.new("RGB", holed.size, "white")
        paper.paste(holed, mask=holed.getchannel("A"))
        return paper
    return image.convert("RGB")


def _bomb(error: Exception, most: int) -> LimitExceeded:
    """What Pillow refuses by itself; it says how large it is."""
    found = re.search(r"(\d+) pixels", str(error))
    return _too_large(most, int(found[1]) if found else most)


def _too_large(most: int, pixels: int) -> LimitExceeded:
    said = f"This picture has {pixels / 1e6:,.1f} million pixels, more than the {most / 1e6:,.0f} million that are read."
    return exceeded(said, "Save it smaller", "picture_pixels")


def _damaged_page(page: int) -> str:
    return f"Page {page} is damaged."
