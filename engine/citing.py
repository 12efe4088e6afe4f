"""A free answer becomes events: its text with numbered marks, and each quote looked for in the source.

A quote is verified only where its words stand in the source, character for character but for blanks, since a line of a page ends where
the model writes a space, and for curly and straight quotation marks and kinds of dashes (engine.alike), which OCR and models write as they
like. What is shown is then the source's own spelling of it, byte for byte. Nothing else is forgiven, and what is not found is shown as
unverified, under the passage that the model named. Knows passages and texts; no server. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from engine.alike import alike_pattern
from engine.events import Quote, Token
from engine.passages import NOT_FOUND, Passage
from engine.places import Texts
from engine.prompt import Chunk
from engine.quote import locate_quote
from engine.quote_marks import Cited, Piece, QuoteMarks

# How sure an answer is, by its quotes: levels, not probabilities. A model that quotes well can still answer another question.
ALL_VERIFIED, SOME_VERIFIED, NONE_VERIFIED, SAID_NOT_FOUND = 0.8, 0.5, 0.2, 0.0

QUOTATION_MARKS = {'"': '"', "'": "'", "“": "”", "„": "“”", "‘": "’", "«": "»", "»": "«", "`": "`"}
CUT_MARK = " …"

Said = Token | Quote


class FreeAnswer:
    """One answer while it streams: `feed` and `end` give its events; `text`, `found` and `confidence` hold at the end.

    Nothing is said while the answer may still turn out to be NOT_FOUND; one that begins with it says nothing at all (`denied`).
    """

    def __init__(self, passages: Sequence[Passage], texts: Texts) -> None:
        self._marks, self._text = QuoteMarks(), MarkedText()
        self._passages, self._texts = passages, texts
        self._quotes: list[Quote] = []
        self._open = self.denied = False

    def feed(self, delta: str) -> Iterator[Said]:
        for piece in self._marks.feed(delta):
            yield from self._say(piece)

    def end(self, *, cut: bool = False) -> Iterator[Said]:
        """What still waited. `cut`: the model had to stop before it was done, which the text then shows."""
        for piece in self._marks.end():
            yield from self._say(piece)
        if not self._open and not self.denied:
            yield from self._begin()
        if cut and self.found:
            yield self._text.add(CUT_MARK)

    @property
    def found(self) -> bool:
        """False where there is no answer, and where the model says anywhere that there is none and no quote of its stands in the source."""
        return self._open and bool(self._text.whole.strip()) and (self._verified > 0 or NOT_FOUND not in self._text.whole)

    @property
    def text(self) -> str:
        """The whole answer; '' if not found."""
        return self._text.whole.strip() if self.found else ""

    @property
    def confidence(self) -> float:
        """One of the levels above."""
        if not self.found:
            return SAID_NOT_FOUND
        return NONE_VERIFIED if not self._verified else ALL_VERIFIED if self._verified == len(self._quotes) else SOME_VERIFIED

    @property
    def _verified(self) -> int:
        return sum(quote.verified for quote in self._quotes)

    def _say(self, piece: Piece) -> Iterator[Said]:
        if isinstance(piece, str):
            yield from self._tell(self._text.add(piece))
        elif quote := support(piece, self._passages, self._texts):
            known = quote in self._quotes
            if not known:
                self._quotes.append(quote)
            yield from self._tell(self._text.mark(self._quotes.index(quote) + 1, quote.text))
            if not known and not self.denied:
                yield quote

    def _tell(self, token: Token) -> Iterator[Said]:
        if self._open and token.text:
            yield token
        elif not self._open:
            beginning = self._text.whole.lstrip(" \n\t*_\"'“‘`").casefold()
            self.denied = self.denied or beginning.startswith(NOT_FOUND.casefold())
            if not self.denied and not NOT_FOUND.casefold().startswith(beginning):
                yield from self._begin()

    def _begin(self) -> Iterator[Said]:
        self._open = True
        if self._text.whole:
            yield Token(self._text.whole)


class MarkedText:
    """The text that readers see. A mark stands after the words that its quote supports; a line that has none gets the quote's own."""

    def __init__(self) -> None:
        self.whole = ""

    def add(self, text: str) -> Token:
        text = text if self.whole else text.lstrip()
        self.whole += text
        return Token(text)

    def mark(self, number: int, words: str) -> Token:
        line = self.whole.rpartition("\n")[2]
        said = "" if re.search(r"[^\W\d_]", line) else f"“{' '.join(words.split())}” "
        blank = " " if line and not line[-1].isspace() else ""
        return self.add(f"{blank}{said}[{number}]")


def support(cited: Cited, passages: Sequence[Passage], texts: Texts) -> Quote | None:
    """The quote in the source: in the passage named, else its document, else the other passages' documents.

    None for a quote of no words. One that stands nowhere is put under the passage named, or the first one if there is none of that number.
    """
    spellings = _spellings(cited.words)
    if not spellings or not passages:
        return None
    places = _documents(sorted(passages, key=lambda passage: passage.number != cited.passage))
    for chunk in places:
        source = texts.of(chunk.document)
        for words in spellings:
            if span := find(source, words, chunk.start_char, chunk.end_char):
                return Quote(chunk.document, *span, source[slice(*span)], verified=True)
    return Quote(places[0].document, places[0].start_char, places[0].end_char, spellings[0], verified=False)


def _documents(passages: Sequence[Passage]) -> list[Chunk]:
    """The first of the passages in each document."""
    firsts: dict[str, Chunk] = {}
    for passage in passages:
        firsts.setdefault(passage.chunk.document, passage.chunk)
    return list(firsts.values())


def find(text: str, words: str, start: int, end: int) -> tuple[int, int] | None:
    """Characters of the words: inside start..end, else nearest to `start`; alike only if they stand nowhere as they are."""
    inside = text.find(words, start, end)
    span = (inside, inside + len(words)) if inside >= 0 else locate_quote(text, words, start)
    return span or _alike(text, words, start)


def _alike(text: str, words: str, start: int) -> tuple[int, int] | None:
    spans = (match.span() for match in alike_pattern(words).finditer(text))
    return min(spans, key=lambda span: abs(span[0] - start), default=None)


def _spellings(words: str) -> list[str]:
    """The words as they were written, then without the quotation marks that a model puts around a quote."""
    written = words.strip()
    if len(written) > 2 and written[-1] in QUOTATION_MARKS.get(written[0], ""):
        return [spelling for spelling in (written, written[1:-1].strip()) if spelling]
    return [written] if written else []
