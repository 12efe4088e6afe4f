"""What a follow-up borrows of the question before it, so that "And for the tenant?" can be answered.

Where that one named documents, the follow-up is put to the same ones, by their names before a colon: whoever asked for the law of the Acme
contract and then for the notice means the same contract.

Measured (docs/log.md, 2026-11-21): the words of the question before draw the answer back to where it was, so a follow-up is asked by
itself first. Only where that finds nothing is it asked again after the key words of the question before; and what is found then counts
only if its quote has a word of the follow-up itself, or the old answer would be given once more. Knows no row, and asks nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.lexical import STOP_WORDS
from engine.naming import Named, named
from engine.part_names import asks_of_many
from engine.prompt import Prompt

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


def of_the_same(prompt: Prompt, names: Iterable[str], text: str) -> str:
    """The question put to these documents, which are those that the one before it named; the text itself where it names others, asks of
    many, or the prompt has these no more."""
    if named(prompt, text) != Named(prompt, text) or asks_of_many(text):
        return text
    put = led_by(names) + text
    found = named(prompt, put)
    return put if found.documents and set(found.documents) == set(names) and len(put) <= MOST_CHARACTERS else text


def led_by(names: Iterable[str]) -> str:
    """How documents are named before a question; '' without one."""
    own = ", ".join(dict.fromkeys(names))
    return f"{own}: " if own else ""


def speaks_of(quote: str, text: str) -> bool:
    """Whether the quote has a word of the follow-up itself, or the follow-up has none that tells anything."""
    stems = _stems(text)
    return not stems or bool(stems & _stems(quote))


def _stems(text: str) -> set[str]:
    return {word[:STEM_CHARACTERS] for word in WORD.findall(text.lower()) if word not in STOP_WORDS}
