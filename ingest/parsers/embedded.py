"""Pictures in office files and books: taken out of their package where the text shows them, and numbered in the order of the text.

Their words are read afterwards (ingest.scans), and laid into the text (ingest.inlaid). What cannot be looked at is left out: drawings of
other kinds, damaged ones, and what is too small to hold words. Knows no format of the packages.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from functools import cached_property
from pathlib import Path

from ingest.errors import IngestError
from ingest.model import Embedded, ParsedPage
from ingest.parsers.base import ParserContext
from ingest.parsers.described import PLACED
from ingest.parsers.package import BROKEN
from ingest.pictures import open_pictures

_LEAST_POINTS = 30.0  # 40 pixels: a line of words is as high, and wider; what is less is an icon, a rule or a bullet
_SHOWS_MORE = 56_000.0  # square points, 100,000 pixels: a smaller one is not worth the tokens by which a model sees it


class TakenOut:
    """The pictures of one document, taken into `context.pictures` as they come; none where that is None. To be closed."""

    def __init__(self, source: Path, context: ParserContext) -> None:
        self._source = source
        self._limits = context.limits
        self._into = context.pictures
        self._numbers: dict[int, int | None] = {}  # by place in the package; None for one that is left out
        self._count = 0
        self._bytes = 0

    def close(self) -> None:
        if "_package" in self.__dict__:
            self._package.close()

    def placed(self, text: str) -> tuple[str, tuple[Embedded, ...]]:
        """A part's text with the numbers of its pictures, and those that no part before it showed."""
        written: list[str] = []
        pictures: list[Embedded] = []
        length = last = 0
        for mark in PLACED.finditer(text):
            before, (number, picture) = text[last : mark.start()], self._shown(int(mark[1]))
            words = _words(number, described=mark[0].endswith(" "))
            written += [before, words]
            length += len(before) + len(words)
            last = mark.end() + (0 if words else _needless(text, mark))
            if picture is not None:
                pictures.append(Embedded(length, picture))
        return "".join([*written, text[last:]]), tuple(pictures)

    def _shown(self, place: int) -> tuple[int | None, ParsedPage | None]:
        """A picture's number, None for one that is left out; and the picture itself the first time."""
        if place in self._numbers:
            return self._numbers[place], None
        picture = self._taken(place)
        self._numbers[place] = picture.number if picture else None
        return self._numbers[place], picture

    def _taken(self, place: int) -> ParsedPage | None:
        if self._into is None or self._count >= self._limits.pages:
            return None
        self._into.mkdir(exist_ok=True)
        number = self._count + 1
        target = self._into / str(number)
        size = self._copied(place, target) and _size(target, self._limits.picture_pixels)
        if not size:
            target.unlink(missing_ok=True)
            return None
        self._count = number
        self._bytes += target.stat().st_size
        return ParsedPage(number, "", *size, has_image=True, shows_more=size[0] * size[1] >= _SHOWS_MORE, wants_ocr=True)

    def _copied(self, place: int, target: Path) -> bool:
        """A part has no more bytes than the package's directory says."""
        try:
            entry = self._package.infolist()[place]
            if entry.file_size > min(self._limits.file_bytes, self._limits.archive_bytes - self._bytes):
                return False
            with self._package.open(entry) as part, target.open("wb") as file:
                shutil.copyfileobj(part, file)
        except (*BROKEN, IndexError):
            return False
        return True

    @cached_property
    def _package(self) -> zipfile.ZipFile:
        """Opened once: its directory may be long."""
        return zipfile.ZipFile(self._source)


def _size(target: Path, picture_pixels: int) -> tuple[float, float] | None:
    """In points; None for what cannot be opened, and for what is too small to hold words."""
    try:
        with open_pictures(target.parent, picture_pixels) as pictures:
            width, height = pictures.size(int(target.name))
    except IngestError:
        return None
    return (width, height) if min(width, height) >= _LEAST_POINTS else None


def _words(number: int | None, *, described: bool) -> str:
    """What stands in place of a mark; what the picture is said to show goes on after it."""
    if number is None:
        return "[picture: " if described else ""
    return f"[picture {number}: " if described else f"[picture {number}]"


def _needless(text: str, mark: re.Match[str]) -> int:
    """How many characters after a mark that leaves nothing parted it from what follows."""
    before, after = text[max(0, mark.start() - 1) : mark.start()], text[mark.end() : mark.end() + 2]
    if after == "\n\n" and before in ("", "\n"):
        return 2
    return 1 if after[:1] == " " and (not before or before.isspace()) else 0
