"""What a follow-up borrows of the question before it, so that "And for the tenant?" can be answered.

Measured (docs/log.md, 2026-11-21): the words of the question before draw the answer back to where it was, so a follow-up is asked by
itself first. Only where that finds nothing is it asked again after the key words of the question before; and what is found then counts
only if its quote has a word of the follow-up itself, or the old answer would be given once more. Knows no row and no engine.
"""

from __future__ import annotations

import re

from engine.lexical import STOP_WORDS

MOST_CHARACTERS = 2000
# As in engine.read: words are the same where they begin alike.
STEM_CHARACTERS = 5
WORD = re.compile(r"\w+")


def together(before: str, text: str) -> str:
    """The follow-up after the key words of the question before it; '' where that adds nothing, or is too long to be asked."""
    said = {word.lower() for word in WORD.findall(text)} | STOP_WORDS
    key_words = dict.fromkeys(word for word in WORD.findall(before) if word.lower() not in said)
    joined = " ".join([*key_words, text])
    return joined if key_words and len(joined) <= MOST_CHARACTERS else ""


def speaks_of(quote: str, text: str) -> bool:
    """Whether the quote has a word of the follow-up itself, or the follow-up has none that tells anything."""
    stems = _stems(text)
    return not stems or bool(stems & _stems(quote))


def _stems(text: str) -> set[str]:
    return {word[:STEM_CHARACTERS] for word in WORD.findall(text.lower()) if word not in STOP_WORDS}
