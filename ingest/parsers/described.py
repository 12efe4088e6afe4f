"""A picture where it stands in a file of text, while that is being read: its place in the package, and what it is said to show.

Opens no picture. ingest.parsers.embedded puts a number where the place stands, and takes the picture out.
"""

from __future__ import annotations

import re

_MOST = 1_000  # characters: an alternative text is a sentence or two
_FILE_NAME = re.compile(r"\S+\.(?:png|jpe?g|gif|bmp|tiff?|webp|svg|emf|wmf)", re.IGNORECASE)
# No text of a document has the character: XML cannot hold it, and what else does has it replaced.
PLACED = re.compile("\x00([0-9]{1,9})\x00(?:\\[picture: )?")


def described(words: str | None, place: int | None = None) -> str:
    """`[picture: words]`; '' where nobody said anything, or a program wrote the file's name. `place`: of the picture among the parts of its
    package, which is written before that (PLACED finds it); None for one that is no part."""
    said = " ".join((words or "").split())[:_MOST]
    placed = "" if place is None else f"\x00{place}\x00"
    return f"{placed}[picture: {said}]" if said and not _FILE_NAME.fullmatch(said) else placed
