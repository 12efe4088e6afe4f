"""Words as a pattern that takes signs for each other where people do: curly and straight quotation marks, kinds of dashes, any blanks, and
the Greek question mark that PDFs have for a semicolon.

Each sign stands for exactly one other, so what a match spans is the text's own. Imports no torch.
"""

from __future__ import annotations

import re

# Keyboards have the first of each; books and office programs write the others, and OCR does not tell them apart. Who copies words out of a
# file copies its signs, where its text here was given the plain ones (ingest.plain_signs).
ALIKE = ('"“”„‟″', "'‘’‚‛′", "-\u2010\u2011\u2012–—\u2015\u2212", ";\u037e")
_PLAIN = str.maketrans({sign: signs[0] for signs in ALIKE for sign in signs[1:]})
_CLASSES = {sign: f"[{re.escape(signs)}]" for signs in ALIKE for sign in signs}


def plain(text: str) -> str:
    """The text with a keyboard's signs in the place of those; as long as before."""
    return text.translate(_PLAIN)


def alike_pattern(words: str, flags: int = 0) -> re.Pattern[str]:
    """Finds the words whichever of these signs the text has in their place. Of words of nothing it finds nothing, everywhere."""
    parts = ("".join(_CLASSES.get(character) or re.escape(character) for character in part) for part in words.split())
    return re.compile(r"\s+".join(parts), flags)
