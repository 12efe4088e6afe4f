"""Where a tree's .gitmodules files say that other repositories belong. Reads no files itself; what it reads is somebody's."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

SUBMODULES_FILE = ".gitmodules"
_MOST = 1_000
_PATH = re.compile(rb"^[ \t]*path[ \t]*=[ \t]*\"?([^\"\r\n]{1,400}?)\"?[ \t]*\r?$", re.MULTILINE)


class Submodules:
    """Their places, relative to the tree's root, of which those are `left` in which no file of the tree was seen."""

    def __init__(self) -> None:
        self._places: dict[PurePosixPath, None] = {}

    def add(self, path: str, content: bytes) -> None:
        """The .gitmodules at `path`."""
        for match in _PATH.finditer(content):
            place = PurePosixPath(match[1].decode("utf-8", "replace"))
            if len(self._places) < _MOST and place.parts and not place.is_absolute() and ".." not in place.parts:
                self._places[PurePosixPath(path).parent / place] = None

    def see(self, path: str) -> None:
        """A file of the tree."""
        if self._places:
            for folder in PurePosixPath(path).parents:
                self._places.pop(folder, None)

    @property
    def left(self) -> list[str]:
        return [place.as_posix() for place in self._places]
