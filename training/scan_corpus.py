"""Documents cut into passages, and each question with the passages that answer it and those that only look alike. Knows no model.

Passages are the real prompt builder's chunks. What looks alike is what BM25 finds for the question, in the question's own document if it
is asked of that alone, else in all documents of its source.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.lexical import LexicalIndex
from engine.prompt import TokenArray
from engine.tokenizer import Tokenizer
from ingest.prompt.builder import Builder
from training.scan_sources import Document, Span

LEXICAL_HITS = 16
_ENOUGH = 0.5  # a passage answers if it holds this share of a span, or a span of it


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk: its ids, how many of them are header, and its characters."""

    ids: TokenArray
    header_tokens: int
    span: Span


@dataclass(frozen=True, slots=True)
class Asked:
    """A question put to `candidates`, of which `right` answer it; numbers are those of the corpus's passages.

    `lexical`: BM25 of the best candidates, for the first wording.
    """

    source: str
    document: int
    wordings: tuple[str, ...]
    candidates: range
    closed: bool
    right: frozenset[int]
    lexical: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Corpus:
    passages: list[Passage]
    asked: list[Asked]


def cut(tokenizer: Tokenizer, document: Document) -> list[Passage]:
    built = Builder(tokenizer).build(document.text, document.kind, document.header(), lambda _: None)
    return [
        Passage(built.ids[row["first_token"] : row["end_token"]], int(row["header_tokens"]), (int(row["start_char"]), int(row["end_char"])))
        for row in built.rows
    ]


def corpus(tokenizer: Tokenizer, documents: Sequence[Document], scratch: Path) -> Corpus:
    """`documents` of a source stand together. The word index is made in `scratch`."""
    passages: list[Passage] = []
    ranges: list[range] = []
    index = LexicalIndex(scratch / "words.sqlite3")
    for number, document in enumerate(documents):
        own = cut(tokenizer, document)
        ranges.append(range(len(passages), len(passages) + len(own)))
        passages += own
        index.put(str(number), [document.text[slice(*passage.span)] for passage in own])
    asked = []
    for number, document in enumerate(documents):
        of_source = [other for other, each in enumerate(documents) if each.source == document.source]
        where = [number] if document.closed else of_source
        candidates = range(ranges[where[0]].start, ranges[where[-1]].stop)
        for question in document.questions:
            right = frozenset(place for place in ranges[number] if any(shares_half(passages[place].span, span) for span in question.spans))
            if right:
                hits = index.search(question.wordings[0], [str(each) for each in where], LEXICAL_HITS)
                lexical = {ranges[int(hit.document)][hit.chunk]: hit.score for hit in hits}
                asked.append(Asked(document.source, number, question.wordings, candidates, document.closed, right, lexical))
    return Corpus(passages, asked)


def shares_half(one: Span, other: Span) -> bool:
    """Whether at least half of the shorter lies in the other."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared >= _ENOUGH * min(one[1] - one[0], other[1] - other[0]) and shared > 0


def negatives(asked: Asked, count: int, random_: random.Random) -> list[int]:
    """Passages that do not answer: the best by words first, then any of the candidates."""
    wrong = [place for place in asked.lexical if place not in asked.right]
    chosen = random_.sample(wrong[: 2 * count], min(len(wrong), count, 2 * count))
    others = [place for place in asked.candidates if place not in asked.right and place not in chosen] if asked.closed else []
    return chosen + random_.sample(others, min(len(others), count - len(chosen)))


def needed(corpus: Corpus, wrong: int, random_: random.Random, whole: Collection[str] = ()) -> list[int]:
    """Passages worth encoding, those of different documents and sources in turn: the right ones, and `wrong` others of each question; of
    the sources `whole`, which are closed, all that a question is put to."""
    wanted: dict[int, int] = {}
    for asked in corpus.asked:
        for place in asked.candidates if asked.source in whole else (*sorted(asked.right), *negatives(asked, wrong, random_)):
            wanted.setdefault(place, asked.document)
    turn = {document: (place + 0.5) / len(own) for own in by_source(corpus).values() for place, document in enumerate(own)}
    return sorted(wanted, key=lambda place: (turn[wanted[place]], place))


def by_source(corpus: Corpus) -> dict[str, list[int]]:
    """The documents of each source that have questions."""
    found: dict[str, dict[int, None]] = {}
    for asked in corpus.asked:
        found.setdefault(asked.source, {})[asked.document] = None
    return {source: list(own) for source, own in found.items()}
