"""What a picture in a file of text is said to show: its alternative text, in brackets, since nobody reads the picture. Opens none."""

from __future__ import annotations

import re

_MOST = 1_000  # characters: an alternative text is a sentence or two
_FILE_NAME = re.compile(r"\S+\.(?:png|jpe?g|gif|bmp|tiff?|webp|svg|emf|wmf)", re.IGNORECASE)


def described(words: str | None) -> str:
    """`[picture: words]`; '' where nobody said anything, or a program wrote the file's name."""
    said = " ".join((words or "").split())[:_MOST]
    return f"[picture: {said}]" if said and not _FILE_NAME.fullmatch(said) else ""
