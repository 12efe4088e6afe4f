"""What both heads are trained on, and what both hold back: all documents in a random order, with more questions about articles, passages of
search questions put together, and long and longest contracts. Knows no tokens and no model.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from training.scan_sources import LONGEST_CONTRACT, Document, contracts, documents, paragraphs

TOGETHER = 20  # passages of search questions that make a document: alone, none of them could be told from another
ARTICLE_QUESTIONS = 8  # of a paragraph
LONG = 120_000  # characters of a long contract at most: beyond, one takes as long to index as four others
ORDER = 16  # of the longest, which came last: drawn by themselves, they leave what the others hold back as it was
HELD = {"contracts": 12, "long contracts": 6, "longest contracts": 6, "wikipedia": 4, "policies": 2, "covid": 2, "web": 4, "agreements": 3}
USED = {
    "contracts": 202,
    "long contracts": 107,
    "longest contracts": 36,
    "wikipedia": 44,
    "policies": 17,
    "covid": 40,
    "web": 120,
    "agreements": 58,
}


def read_documents(folder: Path, random_: random.Random) -> list[Document]:
    """All of them; `folder` as in training.scan_sources."""
    found = documents(folder, random_)
    articles = paragraphs(folder / "wikipedia.jsonl.gz", "wikipedia", random_, closed=False, each=ARTICLE_QUESTIONS)
    fuller = {article.name: article for article in articles}
    long = list(contracts(folder / "contracts.jsonl.gz", "long contracts", longer=LONGEST_CONTRACT, longest=LONG))
    random_.shuffle(long)
    longest = list(contracts(folder / "contracts.jsonl.gz", "longest contracts", longer=LONG, longest=sys.maxsize))
    random.Random(ORDER).shuffle(longest)  # noqa: S311 (a sample, no secret)
    return [fuller[document.name] if document.source == "wikipedia" else document for document in gathered(found)] + long + longest


def split(found: Sequence[Document]) -> tuple[list[Document], list[Document]]:
    """Documents to train on, those of different sources in turn, so that any front of them is a mixture; and documents held back."""
    seen: Counter[str] = Counter()
    train: list[tuple[float, Document]] = []
    held = []
    for document in found:
        seen[document.source] += 1
        number = seen[document.source] - HELD[document.source]
        if number <= 0:
            held.append(document)
        elif number <= USED[document.source]:
            train.append((number / USED[document.source], document))
    return [document for _, document in sorted(train, key=lambda pair: pair[0])], held


def front(train: Sequence[Document], only: Mapping[str, float]) -> list[Document]:
    """Of each source that is named its first so many, and none of the others; all where none is named."""
    seen: Counter[str] = Counter()
    chosen = []
    for document in train:
        seen[document.source] += 1
        if not only or seen[document.source] <= only.get(document.source, 0):
            chosen.append(document)
    return chosen


def named(text: str) -> tuple[str, float]:
    """SOURCE=NUMBER of a command line."""
    source, _, number = text.partition("=")
    if source not in USED:
        raise argparse.ArgumentTypeError(f"{text}: there are the sources {', '.join(USED)}, as in contracts=40.")
    return source, float(number)


def gathered(found: Sequence[Document]) -> list[Document]:
    """Passages of search questions put together, some to a document; all others as they are."""
    web = [document for document in found if document.source == "web"]
    groups = [web[first : first + TOGETHER] for first in range(0, len(web), TOGETHER)]
    return [document for document in found if document.source != "web"] + [joined(group) for group in groups]


def joined(group: Sequence[Document]) -> Document:
    """One after another, with a blank line between them."""
    text, questions = "", []
    for document in group:
        for question in document.questions:
            questions.append(replace(question, spans=tuple((start + len(text), end + len(text)) for start, end in question.spans)))
        text += document.text + "\n"
    return replace(group[0], text=text, questions=tuple(questions))
