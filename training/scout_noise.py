"""Text as a bad scan has it: dropped blanks, l for 1, rn for m, words broken at a hyphen. And where each character went."""

from __future__ import annotations

import random

RATE = 0.01  # of the characters that could be misread
MISREAD = {"l": ("1", "I"), "1": ("l", "I"), "I": ("l",), "m": ("rn",), "O": ("0",), "0": ("O",), "S": ("5",), "e": ("c",), " ": ("",)}
BROKEN = 0.002  # of the places between two letters


def noisy(text: str, random_: random.Random) -> tuple[str, list[int]]:
    """The text, and for each place 0..len(text) where it stands there."""
    made: list[str] = []
    moved = [0]
    for before, character in zip(" " + text, text, strict=False):
        if before.isalpha() and character.isalpha() and random_.random() < BROKEN:
            character = f"-\n{character}"
        elif character in MISREAD and random_.random() < RATE:
            character = random_.choice(MISREAD[character])
        made.append(character)
        moved.append(moved[-1] + len(character))
    return "".join(made), moved
