"""Questions to start with, made of a document's own headings: what it says of liability, what a function returns. Needs no model.

A heading is a promise that something stands below it, so every question can be answered there or nearby. Knows no row and no request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest

from ingest.model import Kind
from webapp.library.outline import Heading

MOST = 8
MOST_TITLE = 60

# What people ask under such a heading of a contract or a set of rules; the first that fits.
TOPICS = [
    (r"govern|applicable law|jurisdiction", "Which law governs {it}?"),
    (r"terminat", "How much notice is needed to terminate?"),
    (r"liabilit", "What is the limit of liability?"),
    (r"confidential", "How long do the duties of confidentiality last?"),
    (r"\bfees?\b|payment|charges|\brent\b|price", "Within how many days must an invoice be paid?"),
    (r"assign", "Who may assign {it}?"),
    (r"subcontract", "Is subcontracting allowed?"),
    (r"intellectual|ownership", "Who owns the intellectual property?"),
    (r"data protection|personal data|security|privacy", "When must a breach of security be notified?"),
    (r"force majeure", "What counts as force majeure?"),
    (r"warrant", "What is warranted, and for how long?"),
    (r"insurance", "How much insurance must be held?"),
    (r"notices", "How must a notice be delivered?"),
    (r"holiday|leave|vacation", "How many days of paid holiday are there?"),
    (r"working hours|hours of work", "How many hours is a full week?"),
    (r"install", "How is it installed?"),
    (r"licen[cs]e", "Under which licence is it?"),
    (r"usage|getting started|quick ?start", "How is it used?"),
]
NUMBER = re.compile(
    r"^(?:(?:chapter|part|book|section|article|clause|annex|appendix|schedule)\s+\w{1,6}|[\d.]+|[ivxlc]+)\b[\s.:)–—-]*", re.IGNORECASE
)
# Headings that stand in any document and promise nothing.
EMPTY = re.compile(
    r"(table of )?contents|introduction|preface|foreword|general|miscellaneous|definitions.*|interpretation|index|overview|summary|notes?|"
    r"acknowledge?ments|references|bibliography|copyright|main|\W*",
    re.IGNORECASE,
)
CONTRACT = re.compile(r"\b(agreement|contract|lease|licence|terms)\b", re.IGNORECASE)
CHAPTER = re.compile(r"\s*(chapter|book|part)\b", re.IGNORECASE)
CLAUSE = re.compile(r"(when|how|who|what|where|why|if)\b", re.IGNORECASE)
PRIVATE = re.compile(r"(def|class|function|fn|func) (_|test_?|main$|setUp|tearDown)")


def suggested(documents: Iterable[tuple[str, str, Sequence[Heading]]], most: int = MOST) -> list[str]:
    """At most so many questions, taking turns among the documents, each (kind, path, headings), in their order."""
    asked = [_questions(kind, path, headings) for kind, path, headings in documents]
    turns = chain.from_iterable(zip_longest(*asked))
    return list(dict.fromkeys(question for question in turns if question))[:most]


def _questions(kind: str, path: str, headings: Sequence[Heading]) -> Iterator[str]:
    if kind == Kind.CODE:
        return _of_code(headings)
    if sum(bool(CHAPTER.match(heading.title)) for heading in headings) > 2:
        return _of_book(headings)
    return _of_rules(path, headings)


def _of_code(headings: Sequence[Heading]) -> Iterator[str]:
    for heading in headings:
        what, _, name = heading.title.partition(" ")
        if PRIVATE.match(heading.title) or heading.level > 1:
            continue
        yield f"What is {name}?" if what in ("class", "struct", "interface", "enum", "trait") else f"What does {name} do?"


def _of_book(headings: Sequence[Heading]) -> Iterator[str]:
    for heading in headings:
        if (title := _bare(heading.title)) and CHAPTER.match(heading.title):
            yield f"What happens in “{_cased(title)}”?"


def _of_rules(path: str, headings: Sequence[Heading]) -> Iterator[str]:
    """What fits a topic first, in the document's order; then what the other headings name."""
    contract = bool(CONTRACT.search(path) or any(CONTRACT.search(heading.title) for heading in headings[:2]))
    it = "the agreement" if contract else "it"
    plain = []
    for heading in headings:
        if not (title := _bare(heading.title)):
            continue
        if question := next((words for topic, words in TOPICS if re.search(topic, title, re.IGNORECASE)), None):
            yield question.format(it=it)
        elif heading.level > 1 or heading.title != title:
            plain.append(f"What is said under “{title}”?" if CLAUSE.match(title) else f"What is said about {_cased(title, inside=True)}?")
    yield from plain


def _bare(title: str) -> str:
    """Without its number; '' where it promises nothing or is too long to be a title."""
    bare = NUMBER.sub("", title).strip(" .:-–—*_`#")
    return "" if EMPTY.fullmatch(bare) or not 3 <= len(bare) <= MOST_TITLE else bare


def _cased(title: str, *, inside: bool = False) -> str:
    """CAPITALS lowered; inside a sentence the first letter too, unless it begins a name or an abbreviation."""
    if title.isupper():
        title = title.capitalize()
    words = title.split()
    is_name = (len(words) > 1 and title.istitle()) or not words[0][1:].islower()
    return title if is_name or not inside else title[0].lower() + title[1:]
