"""What the .gitignore files of a tree say: pathspec reads each, and as in Git the one nearest to a file decides, and what is in an ignored
folder is ignored. Reads no files itself.

The patterns are somebody's: those that would make matching slow, and what is past the limits below, are passed over, so more is read.
"""

from __future__ import annotations

import re

from pathspec import GitIgnoreSpec

FILE_NAME = ".gitignore"
FILE_BYTES = 64_000  # the longest that people keep are lists of some thousand lines
_MOST_PATTERNS = 5_000
_MOST_STARS = 3  # each is tried at every character of a path, so their time multiplies
_MOST_PATH_CHARS = 400
_STARS = re.compile(rb"\*+")


class Ignored:
    """Knows paths with slashes, relative to the tree's root."""

    def __init__(self) -> None:
        self._specs: dict[str, GitIgnoreSpec] = {}
        self._folders: dict[str, bool] = {"": False}
        self._room = _MOST_PATTERNS

    def add(self, path: str, content: bytes) -> None:
        """The .gitignore at `path`. Once a path has been asked for, it is too late."""
        lines = [line for line in content.splitlines()[: self._room] if len(_STARS.findall(line)) <= _MOST_STARS]
        self._room -= len(lines)
        folder = path.rpartition("/")[0]
        self._specs[folder] = GitIgnoreSpec.from_lines(line.decode("utf-8", "replace") for line in lines)

    def matches(self, path: str) -> bool:
        """Whether the file at this path is ignored."""
        if not self._specs or len(path) > _MOST_PATH_CHARS:
            return False
        return self._is_folder_ignored(path.rpartition("/")[0]) or self._says(path)

    def _is_folder_ignored(self, folder: str) -> bool:
        if folder not in self._folders:
            self._folders[folder] = self._is_folder_ignored(folder.rpartition("/")[0]) or self._says(f"{folder}/")
        return self._folders[folder]

    def _says(self, path: str) -> bool:
        folder = path.rstrip("/")
        while folder:
            folder = folder.rpartition("/")[0]
            if spec := self._specs.get(folder):
                said = spec.check_file(path[len(folder) + 1 :] if folder else path).include
                if said is not None:
                    return said
        return False
