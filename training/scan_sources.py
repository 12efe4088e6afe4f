"""What the scan head is trained on: documents, and questions with the characters that answer them. Knows no tokens and no model.

Paragraphs of one article are put together to a document, as people have them. A question of a contract, a policy, a research article or a
non-disclosure agreement is asked of its own document ("closed"): another one may hold an answer too. Clause questions come in several
wordings: ours, of which the scan head leaves the first out to be measured in, and last the data set's own (docs/decisions/0028).
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from engine.lexical import terms
from ingest.model import Kind, PageSummary
from ingest.prompt.headers import Header, header_for

Span = tuple[int, int]
"""First and end character."""

PAGE_CHARACTERS = 3000  # contracts come without their pages
SHORT_SPAN = 40  # a title or a name stands everywhere in a contract: only its first place counts
LONGEST_CONTRACT = 45_000
POSTS_TOGETHER = 3
_WORDINGS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Question:
    """`spans` hold an answer each, in the document's text, none if it holds none; `wordings` ask the same in other words."""

    wordings: tuple[str, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """`closed`: its questions are asked of it alone, not of all documents of its source."""

    source: str
    name: str
    text: str
    questions: tuple[Question, ...]
    closed: bool
    paged: bool = False

    @property
    def kind(self) -> Kind:
        return Kind.PAGED if self.paged else Kind.TEXT

    def header(self) -> Header:
        return header_for(self.kind, self.name, self.text, list(pages(self.text)) if self.paged else [])


def documents(folder: Path, random_: random.Random) -> list[Document]:
    """All of them, in a random order within each source. `folder` holds the files that are named below."""
    sources = [
        list(contracts(folder / "contracts.jsonl.gz")),
        list(paragraphs(folder / "wikipedia.jsonl.gz", "wikipedia", random_, closed=False, each=3)),
        list(paragraphs(folder / "policies.jsonl.gz", "policies", random_, closed=True, each=8)),
        list(paragraphs(folder / "covid.jsonl.gz", "covid", random_, closed=True, each=20)),
        list(passages(folder / "web-questions-oracle.jsonl.gz", random_)),
        list(statements(folder / "contract_nli.json")),
    ]
    for source in sources:
        random_.shuffle(source)
    return [document for source in sources for document in source]


def contracts(path: Path, source: str = "contracts", *, longer: int = 0, longest: int = LONGEST_CONTRACT) -> Iterator[Document]:
    """Those of more characters than `longer`, and of no more than `longest`."""
    wordings = json.loads((_WORDINGS / "clause_wordings.json").read_text(encoding="utf-8"))
    for row in _rows(path):
        text = row["text"]
        if not longer < len(text) <= longest:
            continue
        found = ((qa, places(text, qa["spans"])) for qa in row["qas"])
        asked = ((qa, spans) for qa, spans in found if bool(spans) == bool(qa["answerable"]))
        yield contract(row, tuple(Question((*wordings[qa["category"]], qa["question"]), spans) for qa, spans in asked), source)


def contract(row: dict[str, Any], questions: tuple[Question, ...], source: str = "contracts") -> Document:
    """A line of contracts.jsonl.gz, with what is asked of it."""
    return Document(source, _file_name(row["title"]), row["text"], questions, closed=True, paged=True)


def statements(path: Path) -> Iterator[Document]:
    """Non-disclosure agreements with the spans that settle a statement."""
    wordings = json.loads((_WORDINGS / "statement_wordings.json").read_text(encoding="utf-8"))
    for row in json.loads(path.read_text(encoding="utf-8"))["documents"]:
        settled = row["annotation_sets"][0]["annotations"]
        found = ((name, tuple(tuple(row["spans"][span]) for span in each["spans"])) for name, each in settled.items())
        questions = tuple(Question(tuple(wordings[name]), spans) for name, spans in found if spans)
        yield Document("agreements", _file_name(row["file_name"]), row["text"], questions, closed=True, paged=True)


def paragraphs(path: Path, source: str, random_: random.Random, *, closed: bool, each: int) -> Iterator[Document]:
    """Articles: rows of one title, or each row by itself where there is none. `each`: questions of a row at most."""
    numbered = [(row["title"] or f"article {number}", row) for number, row in enumerate(_rows(path))]
    for title, group in groupby(sorted(numbered, key=lambda pair: pair[0]), key=lambda pair: pair[0]):
        yield _article(source, f"{title}.txt", [row for _, row in group], random_, closed=closed, each=each)


def posts(path: Path, source: str, random_: random.Random) -> Iterator[Document]:
    """Rows that have nothing to do with each other, with all their questions; some to a document, for one alone has few sentences."""
    rows = list(_rows(path))
    random_.shuffle(rows)
    for first in range(0, len(rows), POSTS_TOGETHER):
        yield _article(source, f"{source} {first}.txt", rows[first : first + POSTS_TOGETHER], random_, closed=False, each=len(rows))


def _article(source: str, name: str, rows: Sequence[dict[str, Any]], random_: random.Random, *, closed: bool, each: int) -> Document:
    text, questions = "", []
    for row in rows:
        chosen = random_.sample(row["qas"], min(each, len(row["qas"])))
        questions += [_asked(qa, len(text), random_) for qa in chosen if qa["answers"]]
        text += row["context"].rstrip("\n") + "\n\n"
    return Document(source, name, text, tuple(questions), closed)


def passages(path: Path, random_: random.Random) -> Iterator[Document]:
    """Search questions, each with its passage. Its first answer that stands there, else the passage itself."""
    for row in _rows(path):
        passage = row["ctxs"][0]
        text = passage["text"].strip() + "\n"
        found = next(((text.find(answer), answer) for answer in row["answers"] if answer in text), (0, text))
        question = Question((varied(row["question"], random_),), ((found[0], found[0] + len(found[1])),))
        yield Document("web", f"{passage['title']}.txt", text, (question,), closed=False)


def varied(question: str, random_: random.Random) -> str:
    """As people type: mostly as it stands, else in lower case without the mark, or as keywords."""
    drawn = random_.random()
    if drawn < 0.6:
        return question
    return question.lower().rstrip("?. ") if drawn < 0.8 else " ".join(terms(question))


def pages(text: str) -> Iterator[PageSummary]:
    """Pages of about PAGE_CHARACTERS that end with a line."""
    number = start = 0
    while start < len(text):
        number, line = number + 1, text.find("\n", start + PAGE_CHARACTERS)
        end = len(text) if line < 0 else line + 1
        yield PageSummary(number, start, end, 612.0, 792.0, True)
        start = end


def _asked(qa: dict[str, Any], offset: int, random_: random.Random) -> Question:
    spans = {(offset + start, offset + start + len(answer)) for start, answer in zip(qa["starts"], qa["answers"], strict=True)}
    return Question((varied(qa["question"], random_),), tuple(sorted(spans)))


def places(text: str, spans: Sequence[str]) -> tuple[Span, ...]:
    """Where the spans stand: the first place of each, and of titles and names the first of all."""
    places = sorted((text.find(span), text.find(span) + len(span)) for span in spans if span and span in text)
    long = tuple(place for place in places if place[1] - place[0] > SHORT_SPAN)
    return long or tuple(places[:1])


def _file_name(title: str) -> str:
    return title if title.lower().endswith(".pdf") else f"{title}.pdf"


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)
