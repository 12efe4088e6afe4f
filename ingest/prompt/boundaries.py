"""Where a chunk's body may end: the best boundary in a window of characters. Knows no tokens.

Best first: a page or section, or in code a definition at the margin, then one inside another; a clause or a heading in capitals; a
paragraph; an item of a clause; a row of a table; a sentence; a line; a word. PDFs seldom have blank lines between clauses, so a clause is
known by its number at a line's beginning. A heading stays with what it heads: "ARTICLE 8 PRICES" and "8.1 Fees" both begin a clause, and
the cut goes before both. A cut leaves line breaks with what they end and a space with what follows it, which is how the tokenizer's own
words begin.
"""

from __future__ import annotations

import re

from ingest.model import Kind

_PARAGRAPH = re.compile(r"\n[ \t]*\n+")
_SENTENCE = re.compile(r"[.!?;:][\"'”’)\]]*(?=[ \t\n])\n*")
_LINE = re.compile(r"\n")
_WORD = re.compile(r"(?<=\S)(?=[ \t])")
_PAGE = re.compile(r"\f")
_SECTION = re.compile(r"\n(?=#{1,6} |[^\s|].{0,99}\n([=~^])\1{2,}[ \t]*\n)")
_ROW = re.compile(r"\n(?=\|)")
_CLAUSE = re.compile(
    r"\n(?=[ \t]*(?:"
    r"(?:\d{1,3}(?:\.\d{1,3})?\.?"
    r"|(?:ARTICLE|SECTION|CHAPTER|SCHEDULE|EXHIBIT|Article|Section|Chapter|Schedule|Exhibit) [0-9A-Z]+[.:]?)[ \t]+[A-Z]"
    r"|[A-Z][A-Z0-9 ,&'’.-]{5,80}[ \t]*\n))"
)
_ITEM = re.compile(r"\n(?=[ \t]*(?:\d{1,3}(?:\.\d{1,3}){2,4}\.?|\((?:[a-zA-Z]{1,2}|[ivx]{1,5}|\d{1,2})\))[ \t]+\S)")
_AT_MARGIN = re.compile(r"\n[ \t]*\n+(?=[^\s)}\]])")
_DEFINITION = re.compile(
    r"\n[ \t]*\n+(?=[ \t]*(?:@\w|"
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|override|async|inline|unsafe|pub|const)[ \t]+)*"
    r"(?:def|class|func|fn|function|interface|struct|enum|impl|trait|type|module|namespace)\b))"
)

# One line, neither a sentence nor the beginning of a list.
_HEADING = re.compile(r"\s*[^\n|]{1,100}(?<![.,;:!?\s])[ \t]*\n\s*")
_HEADINGS_TOGETHER = 2
_NO_HEADINGS = (_PAGE, _ITEM, _ROW, _SENTENCE, _LINE, _WORD, _AT_MARGIN, _DEFINITION)

_ORDER: dict[Kind, tuple[re.Pattern[str], ...]] = {
    Kind.PAGED: (_PAGE, _CLAUSE, _PARAGRAPH, _ITEM, _SENTENCE, _LINE, _WORD),
    Kind.TEXT: (_SECTION, _CLAUSE, _PARAGRAPH, _ITEM, _ROW, _SENTENCE, _LINE, _WORD),
    Kind.CODE: (_AT_MARGIN, _DEFINITION, _PARAGRAPH, _LINE, _WORD),
}


def cut(text: str, kind: Kind, earliest: int, latest: int) -> int:
    """The end of a body in (earliest, latest]: at the last boundary of the best kind there, else at `latest` itself."""
    for pattern in _ORDER[kind]:
        ends = [match.end() for match in pattern.finditer(text, earliest, latest) if match.end() > earliest]
        if ends:
            return ends[-1] if pattern in _NO_HEADINGS else _before_headings(text, ends)
    return latest


def _before_headings(text: str, ends: list[int]) -> int:
    """The last of these ends after which no heading alone stands before the next: two of them may head one clause, a number and a title."""
    last = len(ends) - 1
    while last > 0 and last > len(ends) - 1 - _HEADINGS_TOGETHER and _HEADING.fullmatch(text, ends[last - 1], ends[last]):
        last -= 1
    return ends[last]
