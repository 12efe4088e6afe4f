"""What people type, made fit to keep. Knows no row."""

from __future__ import annotations


def printable(text: str) -> str:
    """Without control characters: a database may refuse them, and nobody sees them. Line breaks and tabs become spaces."""
    return "".join(character if character.isprintable() else " " * character.isspace() for character in text)
