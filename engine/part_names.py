"""Documents that a question speaks of by part of their name: "the Acme contract", "our supply agreement with Birch".

A part counts only at a word for a document, by words that tell documents apart, and where no document is spoken of otherwise: what is not
understood must leave the question to all documents. Knows English words for documents, and no prompt. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.lexical import STOP_WORDS

LONGEST = 6  # words of a part
MOST = 8  # words for documents in a question: each is looked up among all names
SHORTEST_BEGINNING = 4  # letters that may begin a longer word: file names are often glued together and cut


def _each_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


GENERIC = _each_of("agreement contract")  # whatever its name, a document may be called so
SUBJECTS = _each_of(
    "addendum amendment deed invoice letter licence license memo minutes paper policy report statement"
)  # spoken of inside others
NOUNS = GENERIC | SUBJECTS | _each_of("article book handbook lease manual memorandum msa nda novel transcript")
PLURALS = frozenset(f"{noun}s" for noun in NOUNS - SUBJECTS) | {"documents", "files"}
POINTING = _each_of("her his its my our that the their this your")
EVERY = _each_of("a all an another any both each either every neither no other others some what which")
LEADING = POINTING | _each_of("by from in of per to under")
KINDS = _each_of(
    "affiliate agency annual collaboration commercial confidentiality construction consulting cooperation credit current development "
    "distribution distributor draft employment endorsement entire escrow exclusive final first franchise full general guarantee hosting "
    "insurance joint last latest legal licence license licensing loan long main maintenance management manufacturing marketing master "
    "mutual new next non old operating option original outsourcing partnership present previous privacy promotion property public purchase "
    "rental reseller sale sales same second security service services settlement shareholder shareholders short signed sponsorship "
    "standard stock strategic sub subscription supply support third transportation underlying venture whole written"
)
_WORD = re.compile(r"([^\W_]+)(['’]s\b)?")
_PAUSE = re.compile(r"[,;:.?!()]\s|\n")


@dataclass(frozen=True, slots=True)
class Part:
    """Characters of the question, and by their number the names that are meant."""

    start: int
    end: int
    meant: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Word:
    """In lower case, without a possessive's end."""

    text: str
    start: int
    end: int
    owns: bool

    @classmethod
    def of(cls, match: re.Match[str]) -> _Word:
        return cls(match[1].casefold(), match.start(), match.end(), match[2] is not None)

    @property
    def tells(self) -> bool:
        """Whether it may tell one document from another of its kind."""
        return self.text not in STOP_WORDS and self.text not in KINDS and self.text not in NOUNS and not self.text.isnumeric()


def parts(question: str, names: Sequence[str]) -> list[Part]:
    """[] where a document is spoken of by part of no name, or where many at once may be meant."""
    words = _words_of(question)
    if any(word.text in PLURALS for word in words) or sum(word.text in NOUNS for word in words) > MOST:
        return []
    found: list[Part] = []
    for place, word in enumerate(words):
        if word.text in NOUNS:
            part = _leading(question, words, place, names) or _following(question, words, place, names)
            if part:
                found.append(part)
            elif word.text not in SUBJECTS and _leader(words[:place]):
                return []
    return found


def asks_of_many(question: str) -> bool:
    """Whether it is about "which documents" or "all contracts", whatever it names beside them."""
    words = _words_of(question)
    return any(word.text in PLURALS and _leader(words[:place]) in EVERY for place, word in enumerate(words))


def _words_of(question: str) -> list[_Word]:
    return [_Word.of(match) for match in _WORD.finditer(question)]


def _leading(question: str, words: Sequence[_Word], noun: int, names: Sequence[str]) -> Part | None:
    """All words that lead up to the one for a document: "Acme supply" of "the Acme supply agreement"."""
    first = noun
    while first and noun - first < LONGEST and words[first - 1].text not in STOP_WORDS and _touch(question, words[first - 1], words[first]):
        first -= 1
    run = words[first:noun]
    is_one = not first or words[first - 1].text in LEADING or any(word.owns for word in run)
    if not run or not is_one:
        return None
    meant = _meant(run, words[noun].text, names)
    return Part(run[0].start, run[-1].end, meant) if meant else None


def _following(question: str, words: Sequence[_Word], noun: int, names: Sequence[str]) -> Part | None:
    """As many words after its "with" as are part of a name: "with Acme" of "the agreement with Acme"."""
    if noun + 2 >= len(words) or words[noun + 1].text != "with" or _leader(words[:noun]) in EVERY:
        return None
    first = last = noun + 2
    while last < min(len(words), first + LONGEST) and words[last].text not in STOP_WORDS and _touch(question, words[last - 1], words[last]):
        last += 1
    for end in range(last, first, -1):
        meant = () if words[end - 1].owns else _meant(words[first:end], words[noun].text, names)
        if meant:
            return Part(words[noun + 1].start, words[end - 1].end, meant)
    return None


def _touch(question: str, one: _Word, other: _Word) -> bool:
    return _PAUSE.search(question[one.end : other.start]) is None


def _leader(before: Sequence[_Word]) -> str:
    """The "the" or "any" that they end in, or that and what leads up to the next word; "" without one."""
    for word in reversed(before):
        if word.text in POINTING or word.text in EVERY:
            return word.text
        if word.text in STOP_WORDS:
            break
    return ""


def _meant(run: Sequence[_Word], noun: str, names: Sequence[str]) -> tuple[int, ...]:
    """The names that have all words of the run that may tell, of these the ones that have most of its others; () if there are none, or no
    word tells."""
    telling = [word.text for word in run if word.tells]
    if not telling:
        return ()
    others = [word.text for word in run if not word.tells] + ([noun] if noun not in GENERIC else [])
    shared = {number: sum(map(own.__contains__, others)) for number, own in _having(telling, names)}
    most = max(shared.values(), default=0)
    return tuple(number for number, count in shared.items() if count == most)


def _having(telling: Sequence[str], names: Sequence[str]) -> Iterator[tuple[int, frozenset[str]]]:
    """The names that have these words, by number, and what words they have."""
    for number, name in enumerate(names):
        folded = name.casefold()
        if telling[0] in folded:  # as in hardly any, which is soon told
            words = frozenset(match[1] for match in _WORD.finditer(folded))
            if _has(words, telling):
                yield number, words


def _has(words: frozenset[str], telling: Sequence[str]) -> bool:
    """Whether each of these, or some in a row written as one, begins a word: "el pollo loco" does of "elpollolocoholdings"."""
    if not telling:
        return True
    return any(_begins(words, "".join(telling[:count])) and _has(words, telling[count:]) for count in range(len(telling), 0, -1))


def _begins(words: frozenset[str], text: str) -> bool:
    return text in words or (len(text) >= SHORTEST_BEGINNING and any(word.startswith(text) for word in words))
