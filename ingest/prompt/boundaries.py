"""Where a chunk's body may end: the best boundary in a window of characters. Knows no tokens.

Best first: a page, function or section; a paragraph; a sentence; a line; a word. A cut leaves line breaks with what they end and a
space with what follows it, which is how the tokenizer's own words begin.
"""

from __future__ import annotations

import re

from ingest.model import Kind

_PARAGRAPH = re.compile(r"\n[ \t]*\n+")
_SENTENCE = re.compile(r"[.!?;:][\"'”’)\]]*(?=[ \t\n])\n*")
_LINE = re.compile(r"\n")
_WORD = re.compile(r"(?<=\S)(?=[ \t])")
_PAGE = re.compile(r"\f")
_SECTION = re.compile(r"\n(?=#{1,6} )")
_FUNCTION = re.compile(r"\n[ \t]*\n+(?=[^\s)}\]])")

_ORDER: dict[Kind, tuple[re.Pattern[str], ...]] = {
    Kind.PAGED: (_PAGE, _PARAGRAPH, _SENTENCE, _LINE, _WORD),
    Kind.TEXT: (_SECTION, _PARAGRAPH, _SENTENCE, _LINE, _WORD),
    Kind.CODE: (_FUNCTION, _PARAGRAPH, _LINE, _WORD),
}


def cut(text: str, kind: Kind, earliest: int, latest: int) -> int:
    """The end of a body in (earliest, latest]: at the last boundary of the best kind there, else at `latest` itself."""
    for pattern in _ORDER[kind]:
        ends = [match.end() for match in pattern.finditer(text, earliest, latest) if match.end() > earliest]
        if ends:
            return ends[-1]
    return latest
