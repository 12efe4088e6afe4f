"""Which documents a question names, and the question without their names.

"In supply-2019.pdf, how much notice is needed?" is asked of that document alone, as "how much notice is needed?". Every chunk's header has
its document's name, so a name that stays in the question is found in every chunk of it, whether the chunk answers or not. A name is told by
its words, however they are written and parted; what part of a name means is known to engine.part_names. Knows no model. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from engine.lexical import STOP_WORDS
from engine.part_names import asks_of_many, parts
from engine.prompt import Prompt, PromptDocument

# A file's name without its ending is one where nobody would say so many words by chance; before a colon any is.
TELLING_WORDS = 3
_NO_SPACES = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # scripts whose words are written without spaces, where each character is one
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\W_{_NO_SPACES}]+")
_RUN = re.compile(r"[^\W_]+")
_ENDING = re.compile(r"(?<=.)\.[^\W\d_][^\W_]{0,7}$")
_QUOTED = "\"'`“”„‘’«»()[]<> "
_PARTED = ",:：;，、–—- "


@dataclass(frozen=True, slots=True)
class Named:
    """What is asked of what: the prompt of the documents that the question names, or the whole where it names none; and the question
    without the names, whole where nothing else is in it. `documents`: the names of the former, () where the whole is asked."""

    prompt: Prompt
    question: str
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Span:
    """Characters of the question that are a name of the document."""

    start: int
    end: int
    document: str


def named(prompt: Prompt, question: str) -> Named:
    """Of a name within a longer one only the longer counts; of documents that have the same name all do."""
    said = _Said(question)
    spans = [span for document in prompt.documents for span in _spans(document, said)] + _part_spans(prompt, question)
    if not spans:
        return Named(prompt, question)
    places = _outermost({(span.start, span.end) for span in spans})
    ids = {span.document for span in spans if (span.start, span.end) in places}
    rest = _without(question, places)
    if len(ids) == len(prompt.documents):
        return Named(prompt, rest)
    documents = tuple(document for document in prompt.documents if document.id in ids)
    return Named(replace(prompt, documents=documents), rest, tuple(document.name for document in documents))


class _Said:
    """A question's words, and where they stand in it."""

    def __init__(self, question: str) -> None:
        self._question, matches = question, list(_WORD.finditer(question))
        self._words = [match.group().casefold() for match in matches]
        self._spans = [match.span() for match in matches]
        self._first: dict[str, list[int]] = {}
        self.asks_of_many = asks_of_many(question)
        for number, word in enumerate(self._words):
            self._first.setdefault(word, []).append(number)

    def has_first_of(self, name: str) -> bool:
        """Whether the name's first word is among these."""
        first = _WORD.search(name)
        return first is not None and first.group().casefold() in self._first

    def places(self, name: Sequence[str]) -> Iterator[tuple[int, int, bool]]:
        """Characters at which the name's words stand, one after the other, and whether they open the question and a colon follows."""
        for first in self._first.get(name[0], ()):
            if self._words[first : first + len(name)] == list(name):
                start, end = self._spans[first][0], self._spans[first + len(name) - 1][1]
                yield start, end, first == 0 and self._question[end:].lstrip(_QUOTED).startswith((":", "："))


def _spans(document: PromptDocument, said: _Said) -> Iterator[_Span]:
    if not (said.has_first_of(document.name) or said.has_first_of(_file(document))):
        return  # as nearly every document, which is soon told
    for name in _names(document):
        for start, end, opens in said.places(name.words):
            if opens or (name.is_telling and not said.asks_of_many):
                yield _Span(start, end, document.id)


def _part_spans(prompt: Prompt, question: str) -> list[_Span]:
    """None among code: there "the error report" is hardly ever errors.rst."""
    if any(document.is_code for document in prompt.documents):
        return []
    found = parts(question, [_ENDING.sub("", _file(document)) for document in prompt.documents])
    return [_Span(part.start, part.end, prompt.documents[number].id) for part in found for number in part.meant]


@dataclass(frozen=True, slots=True)
class _Name:
    """`is_telling`: a name wherever it stands in a question; else only where it opens one, before a colon."""

    words: tuple[str, ...]
    is_telling: bool


def _names(document: PromptDocument) -> list[_Name]:
    """The whole path, the file's name and that without its ending. Whoever names a file of code may well ask what others do with it, so
    there only a colon singles it out."""
    file = _file(document)
    stem = _ENDING.sub("", file)
    names = {name: _words(name) for name in (document.name, file, stem)}
    return [_Name(words, not document.is_code and _is_telling(name)) for name, words in names.items() if words]


def _file(document: PromptDocument) -> str:
    return document.name.rsplit("/", 1)[-1]


def _is_telling(name: str) -> bool:
    return _ENDING.search(name) is not None or len(_RUN.findall(name)) >= TELLING_WORDS


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _WORD.findall(name))


def _outermost(places: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that lie within no other, in order."""
    return sorted(one for one in places if not any(other[0] <= one[0] and one[1] <= other[1] for other in places - {one}))


def _without(question: str, places: Sequence[tuple[int, int]]) -> str:
    """The question without these characters, and without the marks and small words that led up to them where the sentence ends or pauses
    after them; the question itself where hardly more than such is left."""
    starts, ends = [start for start, _ in places] + [len(question)], [0] + [end for _, end in places]
    rest, *further = [question[end:start] for end, start in zip(ends, starts, strict=True)]
    for after in further:
        rest = _closed_up(rest.rstrip(_QUOTED), after.lstrip(_QUOTED))
    return rest if set(_words(rest)) - STOP_WORDS else question


def _closed_up(before: str, after: str) -> str:
    if after[:1].isalnum():
        return f"{before} {after}" if before else after
    before = _cut_small_words(before).rstrip(_PARTED)
    return before + after if before else after.lstrip(_PARTED)


def _cut_small_words(text: str) -> str:
    """The text without the small words at its end."""
    words = text.split()
    while words and words[-1].casefold() in STOP_WORDS:
        words.pop()
    return " ".join(words)
