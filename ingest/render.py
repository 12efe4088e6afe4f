"""Page images: WebP files beside the document, drawn ahead or else when somebody looks. Only PDF pages have one.

Drawing runs in a short-lived process (`python -m ingest.render`) with limits on memory and time, so that a hostile page costs its own
process and nothing else. The next pages are drawn in the same go, since they are looked at next. Knows no request and no queue.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pypdfium2 as pdfium

from ingest.confined import CHECKOUT, confine, environment
from ingest.errors import FileRefused
from ingest.limits import Limits
from ingest.storage import DocumentFolder

PANE, SCREEN, THUMBNAIL = 900, 1800, 180  # pixels: beside an answer, a whole screen, a page among many
WIDTHS = (PANE, SCREEN, THUMBNAIL)
AHEAD_AT_ONCE = 12  # half a second of one core, for which somebody who looks at a page of the same document may wait
_PAGES_AT_ONCE = 3
_THUMBNAILS_AT_ONCE = 30
_QUALITY = 80  # below it, small print gets ragged
_WEBP_SIDE = 16_383  # pixels, the most that the format can hold


def page_image(folder: DocumentFolder, page: int, width: int) -> Path:
    """The image of a page (1-based), one of WIDTHS wide, drawn now if it was not before.

    Raises FileRefused if the page cannot be drawn, ValueError for another width.
    """
    if width not in WIDTHS:
        raise ValueError(f"page images are {WIDTHS} pixels wide, not {width}")
    target = image_path(folder.images, page, width)
    if not target.is_file():
        folder.images.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder.original):
            if not target.is_file():  # who drew before may have drawn this one too
                _draw_apart(folder, page, _THUMBNAILS_AT_ONCE if width == THUMBNAIL else _PAGES_AT_ONCE, [width])
    if not target.is_file():
        raise FileRefused(f"Page {page} cannot be drawn: it is damaged or asks for too much. Its text can still be read.")
    return target


def draw_ahead(folder: DocumentFolder, first: int) -> int:
    """Draws the images that a desktop's pane asks for, of some pages from `first` (1-based) on; gives the page to go on with.

    What cannot be drawn is left out. Raises FileNotFoundError if the document is gone.
    """
    with _one_at_a_time(folder.original):
        folder.images.mkdir(exist_ok=True)
        _draw_apart(folder, first, AHEAD_AT_ONCE, [PANE, THUMBNAIL])
    return first + AHEAD_AT_ONCE


@contextmanager
def _one_at_a_time(original: Path) -> Iterator[None]:
    """A page of thumbnails asks for thirty pictures at once: one process draws them, and not thirty."""
    with original.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def image_path(images: Path, page: int, width: int) -> Path:
    """Where the image of a page lies or will lie."""
    return images / f"{page}-{width}.webp"


def _draw_apart(folder: DocumentFolder, first: int, pages: int, widths: Sequence[int]) -> None:
    """Draws in a process of its own. How that ends is told by the images that it leaves."""
    numbers = [str(number) for number in (first, pages, *widths)]
    command = [sys.executable, "-m", "ingest.render", str(folder.original), str(folder.images), *numbers]
    try:
        subprocess.run(  # noqa: S603 -- our own module; numbers and paths that we made
            command, cwd=CHECKOUT, env=environment(), timeout=Limits().drawing.wall_seconds, check=False, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return


def _draw(source: Path, images: Path, pages: range, widths: Sequence[int], limits: Limits) -> None:
    document = pdfium.PdfDocument(source)
    for page in range(pages.start, min(pages.stop, len(document) + 1)):
        for width in widths:
            target = image_path(images, page, width)
            if not target.is_file():
                _draw_page(document[page - 1], target, width, limits)


def _draw_page(page: pdfium.PdfPage, target: Path, width: int, limits: Limits) -> None:
    points_wide, points_high = page.get_size()
    within_pixels = (limits.image_pixels / (points_wide * points_high)) ** 0.5
    scale = min(width / points_wide, within_pixels, _WEBP_SIDE / points_high)
    picture = page.render(scale=scale).to_pil()
    partial = target.with_suffix(f".{os.getpid()}")
    picture.convert("RGB").save(partial, format="WEBP", quality=_QUALITY, method=2)
    partial.replace(target)


def main() -> None:
    """The process that draws: SOURCE IMAGES FIRST_PAGE PAGES WIDTH..."""
    parser = argparse.ArgumentParser(prog="python -m ingest.render")
    parser.add_argument("source", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("first", type=int)
    parser.add_argument("pages", type=int)
    parser.add_argument("widths", type=int, nargs="+")
    arguments = parser.parse_args()
    limits = Limits()
    confine(limits.drawing)
    _draw(arguments.source, arguments.images, range(arguments.first, arguments.first + arguments.pages), arguments.widths, limits)


if __name__ == "__main__":
    main()
