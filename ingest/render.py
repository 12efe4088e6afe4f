"""Page images: WebP files, drawn for a prompt, ahead, or else when somebody looks. PDFs and picture files have them, and the
pictures in office files and books are drawn like pages.

Drawing runs in a short-lived process (`python -m ingest.render`) with limits on memory and time, so that a hostile page costs its own
process and nothing else. The next pages are drawn in the same go, since they are looked at next. Knows no request and no queue.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from ingest.confined import CHECKOUT, confine, environment
from ingest.errors import FileRefused
from ingest.limit_settings import limits_of, megabytes
from ingest.limits import Cost, Limits
from ingest.pictures import Pictures, open_pictures
from ingest.progress import Progress, Report
from ingest.storage import DocumentFolder, ParsedFiles

PANE, SCREEN, THUMBNAIL = 900, 1800, 180  # pixels: beside an answer, a whole screen, a page among many
WIDTHS = (PANE, SCREEN, THUMBNAIL)
AHEAD_AT_ONCE = 12  # half a second of one core, for which somebody who looks at a page of the same document may wait
_PAGES_AT_ONCE = 3
_THUMBNAILS_AT_ONCE = 30
_QUALITY = 80  # below it, small print gets ragged
_WEBP_SIDE = 16_383  # pixels, the most that the format can hold


def page_image(folder: DocumentFolder, page: int, width: int, limits: Limits | None = None) -> Path:
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
                pages = range(page, page + (_THUMBNAILS_AT_ONCE if width == THUMBNAIL else _PAGES_AT_ONCE))
                _draw_apart(folder.drawn_from(folder.parsed), folder.images, pages, [width], limits or Limits())
    if not target.is_file():
        raise FileRefused(_not_drawn(page, (limits or Limits()).drawing))
    return target


def _not_drawn(page: int, cost: Cost) -> str:
    most = f"{cost.cpu_seconds:,} seconds of a processor, {cost.wall_seconds:,} seconds or {megabytes(cost.memory_bytes)} of memory"
    return f"Page {page} cannot be drawn: it is damaged, or takes more than {most}. Its text can still be read."


def draw_ahead(folder: DocumentFolder, first: int, limits: Limits | None = None) -> int:
    """Draws the images that a desktop's pane asks for, of some pages from `first` (1-based) on; gives the page to go on with.

    What cannot be drawn is left out. Raises FileNotFoundError if the document is gone.
    """
    with _one_at_a_time(folder.original):
        folder.images.mkdir(exist_ok=True)
        pages = range(first, first + AHEAD_AT_ONCE)
        _draw_apart(folder.readable, folder.images, pages, [PANE, THUMBNAIL], limits or Limits())
    return first + AHEAD_AT_ONCE


def draw_pages(folder: DocumentFolder, parsed: ParsedFiles, pages: Sequence[int], limits: Limits, report: Report) -> dict[int, Path]:
    """Draws these pages PANE wide into the existing folder `parsed.pictures`, some at a time; gives the images by page, without those that
    cannot be drawn. Reports pages; `report` may raise."""
    for done in range(0, len(pages), AHEAD_AT_ONCE):
        report(Progress("drawing pages", done, len(pages), "pages"))
        with _one_at_a_time(folder.original):
            _draw_apart(folder.drawn_from(parsed), parsed.pictures, pages[done : done + AHEAD_AT_ONCE], [PANE], limits)
    drawn = {page: image_path(parsed.pictures, page, PANE) for page in pages}
    return {page: image for page, image in drawn.items() if image.is_file()}


@contextmanager
def _one_at_a_time(original: Path) -> Iterator[None]:
    """A page of thumbnails asks for thirty pictures at once: one process draws them, and not thirty."""
    with original.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def image_path(images: Path, page: int, width: int) -> Path:
    """Where the image of a page lies or will lie."""
    return images / f"{page}-{width}.webp"


def _draw_apart(source: Path, images: Path, pages: Sequence[int], widths: Sequence[int], limits: Limits) -> None:
    """Draws in a process of its own. How that ends is told by the images that it leaves."""
    plain = [json.dumps(value) for value in (asdict(limits), list(pages), list(widths))]
    command = [sys.executable, "-m", "ingest.render", str(source), str(images), *plain]
    try:
        subprocess.run(  # noqa: S603 -- our own module; numbers and paths that we made
            command, cwd=CHECKOUT, env=environment(), timeout=limits.drawing.wall_seconds, check=False, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return


def _draw(source: Path, images: Path, pages: Sequence[int], widths: Sequence[int], limits: Limits) -> None:
    with open_pictures(source, limits.picture_pixels) as pictures:
        for page in (page for page in pages if page <= len(pictures)):
            for width in widths:
                target = image_path(images, page, width)
                if not target.is_file():
                    _draw_page(pictures, page, target, width, limits)


def _draw_page(pictures: Pictures, page: int, target: Path, width: int, limits: Limits) -> None:
    points_wide, points_high = pictures.size(page)
    picture = pictures.draw(page, min(width, _WEBP_SIDE * points_wide / points_high), limits.image_pixels)
    partial = target.with_suffix(f".{os.getpid()}")
    picture.save(partial, format="WEBP", quality=_QUALITY, method=2)
    partial.replace(target)


def main() -> None:
    """The process that draws: SOURCE IMAGES LIMITS PAGES WIDTHS, the last three as JSON."""
    parser = argparse.ArgumentParser(prog="python -m ingest.render")
    parser.add_argument("source", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("limits", type=json.loads)
    parser.add_argument("pages", type=json.loads)
    parser.add_argument("widths", type=json.loads)
    arguments = parser.parse_args()
    limits = limits_of(arguments.limits)
    confine(limits.drawing)
    _draw(arguments.source, arguments.images, arguments.pages, arguments.widths, limits)


if __name__ == "__main__":
    main()
