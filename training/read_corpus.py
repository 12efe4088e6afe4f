"""Questions put to passages: where in each the answer begins and ends, or that it is not there. Knows no model.

Passages are those of training.scan_corpus. A question is put to a passage that answers, to some that look alike, and to one or two drawn
from the rest of its document; one whose answer its document lacks is put to what looks most alike. What looks alike is said by whoever
makes the corpus: the words alone, or an engine that locates (training.read_candidates).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.chat_format import Asked as Put
from engine.chat_format import ChatFormat
from engine.lexical import LexicalIndex
from engine.span import Body
from engine.tokenizer import Tokenizer
from training.scan_corpus import Passage, cut, shares_half
from training.scan_sources import Document, Question, Span

LEXICAL_HITS = 16
_ENOUGH = 0.5  # an answer that a passage's end cuts counts with this share of its characters


@dataclass(frozen=True, slots=True)
class Task:
    """A question in one wording, put to passages: `spans` of each that answers, first and last token of its body."""

    source: str
    wording: str
    document: int
    passages: tuple[int, ...]
    spans: Mapping[int, tuple[Span, ...]]
    lexical: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class ReadCorpus:
    """`tasks` of documents in turn; passages are numbered over all documents. `texts` are the passages' bodies."""

    passages: list[Passage]
    texts: list[str]
    tasks: list[Task]

    def body(self, place: int, tokenizer: Tokenizer) -> Body:
        passage = self.passages[place]
        return Body.of(passage.ids[passage.header_tokens :], self.texts[place], tokenizer.byte_lengths)


Alike = Callable[[Document, Sequence[str]], Sequence[Sequence[int]] | None]
"""Of a document, for each of these questions: the passages that look as if they answered, by their numbers, best first. None: the words
say it."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Of each document: questions with an answer and without one; of each question: its wordings, wrong passages that look alike, where the
    words alone say it `by_words` of them, and any others."""

    present: int = 24
    absent: int = 12
    wordings: int = 1
    alike: int = 3
    by_words: int = 3
    others: int = 1


def read_corpus(
    tokenizer: Tokenizer,
    documents: Sequence[Document],
    amounts: Amounts,
    seed: int,
    scratch: Path,
    alike: Alike | None = None,
) -> ReadCorpus:
    """Of each document's questions a sample, the same whatever other documents there are. The word index is made in `scratch`. Without
    `alike` words say it."""
    made = ReadCorpus([], [], [])
    for number, document in enumerate(documents):
        random_ = random.Random(f"{seed} {document.name}")  # noqa: S311 (a sample, no secret)
        first, own = len(made.passages), cut(tokenizer, document)
        made.passages.extend(own)
        made.texts.extend(document.text[slice(*passage.span)] for passage in own)
        index = LexicalIndex(scratch / f"{number}.sqlite3")
        index.put("", made.texts[first:])
        bodies = {place: made.body(first + place, tokenizer) for place in range(len(own))}
        drawn = list(sampled(document, amounts, random_))
        asked = [(question, wording) for question in drawn for wording in worded(question, amounts.wordings, random_)]
        lexical = [{hit.chunk: hit.score for hit in index.search(wording, [""], LEXICAL_HITS)} for _, wording in asked]
        found = alike(document, [wording for _, wording in asked]) if alike else None
        wanted = amounts if found else replace(amounts, alike=amounts.by_words)
        found = found or [list(scores) for scores in lexical]
        for (question, wording), scores, order in zip(asked, lexical, found, strict=True):
            one = put(document.source, number, wording, question.spans, own, bodies, order, scores, wanted, random_)
            if one is not None:
                made.tasks.append(shifted(one, first))
    return made


def sampled(document: Document, amounts: Amounts, random_: random.Random) -> Iterator[Question]:
    present = [question for question in document.questions if question.spans]
    absent = [question for question in document.questions if not question.spans]
    yield from random_.sample(present, min(len(present), amounts.present))
    yield from random_.sample(absent, min(len(absent), amounts.absent))


def worded(question: Question, wordings: int, random_: random.Random) -> Sequence[str]:
    """One of its wordings, any; or so many of which the last is one: of a clause that is the data set's own."""
    if wordings == 1:
        return [random_.choice(question.wordings)]
    *others, own = question.wordings
    return [own, *random_.sample(others, min(len(others), wordings - 1))]


def put(
    source: str,
    document: int,
    wording: str,
    spans: Sequence[Span],
    passages: Sequence[Passage],
    bodies: Mapping[int, Body],
    order: Sequence[int],
    lexical: Mapping[int, float],
    amounts: Amounts,
    random_: random.Random,
) -> Task | None:
    """The question over one document's passages, numbered from 0, which look as if they answered in this `order`; None if no passage
    holds an answer that there is."""
    right = [place for place, passage in enumerate(passages) if any(shares_half(passage.span, span) for span in spans)]
    inside = {place: found for place in right if (found := tuple(tokens_of(spans, passages[place].span, bodies[place])))}
    if spans and not inside:
        return None
    wrong = [place for place in order if place not in right]
    chosen = wrong[: 2 * amounts.alike] if spans else wrong[: 2 * (amounts.alike + 1)]
    alike = random_.sample(chosen, min(len(chosen), amounts.alike + (not spans)))
    rest = [place for place in range(len(passages)) if place not in right and place not in alike]
    others = random_.sample(rest, min(len(rest), amounts.others))
    answering = random_.sample(sorted(inside), min(len(inside), 2))
    return Task(source, wording, document, (*answering, *alike, *others), {place: inside[place] for place in answering}, lexical)


def tokens_of(spans: Sequence[Span], passage: Span, body: Body) -> Iterator[Span]:
    """First and last token in the body of each span that stands in the passage, or with most of it."""
    for start, end in spans:
        begin, stop = max(start, passage[0]) - passage[0], min(end, passage[1]) - passage[0]
        if stop - begin >= _ENOUGH * (end - start) and stop > begin:
            first = int(np.searchsorted(body.offsets, begin, "right")) - 1
            last = int(np.searchsorted(body.offsets, stop, "left")) - 1
            yield first, max(first, last)


def shifted(task: Task, by: int) -> Task:
    """The same with the passages' numbers in the whole corpus."""
    return Task(
        task.source,
        task.wording,
        task.document,
        tuple(place + by for place in task.passages),
        {place + by: spans for place, spans in task.spans.items()},
        {place + by: score for place, score in task.lexical.items()},
    )


def questions_of(chat: ChatFormat, corpus: ReadCorpus) -> dict[int, dict[str, Put]]:
    """Of each passage, in order, the wordings that are put to it."""
    asked: dict[int, dict[str, Put]] = {}
    for task in corpus.tasks:
        for place in task.passages:
            asked.setdefault(place, {})[task.wording] = chat.ask(task.wording)
    return dict(sorted(asked.items()))
