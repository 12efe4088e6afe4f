"""Which folders of a tree hold a program's source code, told by the names of its files. Reads no file.

Pictures in such a folder, or below it, are a program's: icons, screenshots, what its tests look at.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from ingest.parsers.code import is_code

# Settings, data and parts of web pages: people save web pages among their documents, and a disc of scans has what starts its viewer.
_NO_PROGRAMS = frozenset(
    """
    bat cfg conf css diff graphql htm html ini js json jsonl less mjs patch properties sass scss styl toml xml xsl yaml yml
    """.split()  # noqa: SIM905 -- words read better than a list
)
# What stands in the first folder of a repository, whatever language its files are in.
_MARKS = frozenset(
    """
    .git .gitignore .gitattributes .gitmodules .github .gitlab-ci.yml .hg .svn package.json pyproject.toml cargo.toml pom.xml
    """.split()  # noqa: SIM905 -- words read better than a list
)


class CodeFolders:
    """Knows paths with slashes, relative to the tree's root. `is_all`: the whole tree is a program's, whatever stands in it."""

    def __init__(self, *, is_all: bool = False) -> None:
        self._folders = {PurePosixPath()} if is_all else set()

    def add(self, path: str) -> None:
        """A file of the tree."""
        place = PurePosixPath(path)
        mark = next((number for number, part in enumerate(place.parts) if part.lower() in _MARKS), None)
        if mark is not None:
            self._folders.add(PurePosixPath(*place.parts[:mark]))
        elif _is_program(place):
            self._folders.add(place.parent)

    def hold(self, path: str) -> bool:
        """Whether the file at this path is in one of them, or below one."""
        return not self._folders.isdisjoint(PurePosixPath(path).parents)


def _is_program(place: PurePosixPath) -> bool:
    name = place.name
    return is_code(name) and not name.startswith(".") and place.suffix.lower().lstrip(".") not in _NO_PROGRAMS
