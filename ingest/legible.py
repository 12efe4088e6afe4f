"""Whether a page's own text says what the page shows, told by counting. Knows no words and no language.

Text is garbled where its letters are not distributed as in any language with Latin letters: a font without a table of its characters
gives "WKH" for "the". Other scripts are only looked at for characters that nothing can show.
"""

from __future__ import annotations

import string
import unicodedata

# About half of all letters and more, from Polish to English and Finnish; an eighth to a third of letters at random.
_FREQUENT = "etaoinsrETAOINSR"
_FREQUENT_LEAST = 0.3
_LETTERS_LEAST = 100  # fewer say nothing about a distribution
_BROKEN_MOST = 0.1  # of the characters
# No meaning: unassigned, private to a font, controls, halves of characters.
_MEANINGLESS = frozenset({"Cn", "Co", "Cc", "Cs"})
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def letters(text: str) -> int:
    """How many characters of the text are no white space."""
    return sum(map(len, text.split()))


def is_garbled(text: str) -> bool:
    """Whether the text is not what anybody wrote."""
    written = "".join(text.split())
    if not written:
        return False
    broken = sum(map(written.count, _broken(written)))
    if broken > _BROKEN_MOST * len(written):
        return True
    latin = sum(map(written.count, string.ascii_letters))
    return latin >= max(_LETTERS_LEAST, len(written) // 2) and sum(map(written.count, _FREQUENT)) < _FREQUENT_LEAST * latin


def _broken(written: str) -> set[str]:
    return {character for character in set(written) if character == _REPLACED or unicodedata.category(character) in _MEANINGLESS}
