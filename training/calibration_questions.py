"""What the weights of engine.calibration are fitted on: prompts, and questions that their documents answer or do not. Knows no model.

Only documents on which the scan head was not trained, since it is too sure of those. Contracts are asked one by one, in the data set's own
wordings of a clause; articles and search passages many at once. Absent are a contract's missing clauses, and questions about articles and
passages that are not in the prompt.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.read_sources import split
from training.scan_sources import Document, Span, contract, documents, places

LONGEST = 120_000  # characters: longer contracts only take longer
PASSAGES = 120  # search passages to a prompt


@dataclass(frozen=True, slots=True)
class Question:
    """`spans` of the document of that number answer it, or nothing does."""

    text: str
    document: int = 0
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """One prompt and what is asked of it."""

    kind: str
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]


def sources(folder: Path, count: int, each: int) -> list[Source]:
    """Of `count` contracts `each` present and `each` absent clauses, and as many questions of articles and of search passages. `folder`
    holds the training data."""
    random_ = random.Random(11)  # noqa: S311 (a sample, no secret)
    trained, held = split(documents(folder, random.Random(1)))  # noqa: S311 (as the scan head's were drawn)
    names = {document.name for document in trained}
    made = list(contracts(folder / "contracts.jsonl.gz", names, random_, count, each))
    asked = count * each // 4
    absent = [document for document in trained if document.source == "wikipedia"]
    articles = [document for document in held if document.source == "wikipedia"]
    made += [open_prompt("wikipedia", half, absent, random_, asked) for half in (articles[::2], articles[1::2])]
    passages = [document for document in documents(folder, random.Random(1)) if document.source == "web" and document.name not in names]  # noqa: S311
    random_.shuffle(passages)
    halves = passages[:PASSAGES], passages[PASSAGES : 2 * PASSAGES]
    made += [open_prompt("web", half, passages[2 * PASSAGES :], random_, asked) for half in halves]
    return made


def contracts(path: Path, trained: set[str], random_: random.Random, count: int, each: int) -> Iterator[Source]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if len(row["text"]) <= LONGEST]
    unseen = [(contract(row, ()), row) for row in rows]
    unseen = [(document, row) for document, row in unseen if document.name not in trained]
    for document, row in random_.sample(unseen, count):
        present = [Question(qa["question"], 0, spans) for qa in row["qas"] if (spans := places(document.text, qa["spans"]))]
        absent = [Question(qa["question"]) for qa in row["qas"] if not qa["answerable"]]
        chosen = random_.sample(present, min(each, len(present))) + random_.sample(absent, min(each, len(absent)))
        yield Source("contracts", (document,), tuple(chosen))


def open_prompt(kind: str, own: Sequence[Document], others: Sequence[Document], random_: random.Random, asked: int) -> Source:
    """Documents asked together; what the others answer is absent here."""
    present = [Question(each.wordings[0], number, each.spans) for number, document in enumerate(own) for each in document.questions]
    absent = [Question(each.wordings[0]) for document in others for each in document.questions]
    return Source(kind, tuple(own), (*random_.sample(present, min(asked, len(present))), *random_.sample(absent, asked)))
