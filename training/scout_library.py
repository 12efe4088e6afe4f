"""Everything that examples are made of, in token ids: chunks as the prompt builder cuts them, and tasks that ask of them.

Made once from documents (`library_of`), kept in one file (`save`, `load`), so that a machine that trains needs nothing else. Chunks come in
several sizes. A task knows which chunks answer it, with which of their tokens, which look alike by their words, and which it must not be
shown because they hold a part of the answer. Knows no example and no model.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.lexical import LexicalIndex
from engine.prompt import TokenArray
from engine.sentences import sentences
from engine.span import Body
from engine.tokenizer import Tokenizer
from ingest.prompt.builder import Builder
from training.scan_sources import Document, Question, Span

SIZES, PLAIN_SIZES = (192, 384, 384, 768), (384, 768, 1536)
LEXICAL_HITS = 16
ENOUGH = 0.5  # a chunk answers if this share of a span stands in it
MOST_ANSWER, MOST_QUOTE, MOST_SPANS = 160, 400, 4


@dataclass(frozen=True, slots=True)
class Gold:
    """Tokens first..end of a chunk are the sentence to quote; `answer` are the words before the quote, none where it says all."""

    chunk: int
    answer: tuple[int, ...]
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Task:
    """`own`: first and last + 1 of its document's chunks. Without `golds` the document lacks the answer."""

    source: str
    wordings: tuple[str, ...]
    own: tuple[int, int]
    golds: tuple[Gold, ...]
    barred: tuple[int, ...]
    alike: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Library:
    """Chunk c is `ids[starts[c] : starts[c + 1]]`, of which the first `headers[c]` are its header. `plain`: chunks of texts without
    questions, that come last, as first and last + 1 of each text."""

    ids: TokenArray
    starts: NDArray[np.int64]
    headers: NDArray[np.int64]
    plain: tuple[tuple[int, int], ...]
    tasks: tuple[Task, ...]

    def __len__(self) -> int:
        return len(self.headers)

    def chunk(self, number: int) -> TokenArray:
        return self.ids[self.starts[number] : self.starts[number + 1]]

    def tokens(self, number: int) -> int:
        return int(self.starts[number + 1] - self.starts[number])

    def save(self, path: Path) -> None:
        told = json.dumps({"plain": self.plain, "tasks": [asdict(task) for task in self.tasks]}).encode()
        arrays = {"ids": self.ids, "starts": self.starts, "headers": self.headers, "told": np.frombuffer(told, dtype=np.uint8)}
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Library:
        with np.load(path, allow_pickle=False) as file:
            told = json.loads(file["told"].tobytes())
            return cls(file["ids"], file["starts"], file["headers"], tuple(map(tuple, told["plain"])), tuple(map(task_of, told["tasks"])))


def task_of(fields: dict[str, Any]) -> Task:
    made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    golds = tuple(Gold(**gold | {"answer": tuple(gold["answer"])}) for gold in made.pop("golds"))
    return Task(golds=golds, **made)


class Making:
    """A library that grows by documents."""

    def __init__(self, tokenizer: Tokenizer, random_: random.Random, scratch: Path) -> None:
        self._tokenizer, self._random, self._scratch = tokenizer, random_, scratch
        self._chunks: list[TokenArray] = []
        self._headers: list[int] = []
        self._plain: list[tuple[int, int]] = []
        self._tasks: list[Task] = []

    def add_source(self, documents: Sequence[Document]) -> None:
        """Documents of one source with their questions; what looks alike is of a question's own document if it is asked of that alone."""
        index = LexicalIndex(self._scratch / f"{documents[0].source}.sqlite")
        cut = [self._cut(document, SIZES) for document in documents]
        for number, (document, (_, places)) in enumerate(zip(documents, cut, strict=True)):
            index.put(str(number), [document.text[slice(*place)] for place in places])
        for number, (document, (first, places)) in enumerate(zip(documents, cut, strict=True)):
            for question in document.questions:
                hits = index.search(question.wordings[0], [str(number)] if document.closed else None, LEXICAL_HITS)
                alike = tuple(cut[int(hit.document)][0] + hit.chunk for hit in hits)
                self._put(document, question, first, places, alike)

    def add_plain(self, document: Document) -> None:
        first, places = self._cut(document, PLAIN_SIZES)
        self._plain.append((first, first + len(places)))

    def done(self) -> Library:
        starts = np.cumsum([0, *map(len, self._chunks)], dtype=np.int64)
        headers = np.array(self._headers, dtype=np.int64)
        return Library(np.concatenate(self._chunks), starts, headers, tuple(self._plain), tuple(self._tasks))

    def _cut(self, document: Document, sizes: Sequence[int]) -> tuple[int, list[Span]]:
        """The number of the document's first chunk, and the characters of each."""
        first, builder = len(self._chunks), Builder(self._tokenizer, self._random.choice(sizes))
        built = builder.build(document.text, document.kind, document.header(), lambda _: None)
        self._chunks += [built.ids[row["first_token"] : row["end_token"]] for row in built.rows]
        self._headers += built.rows["header_tokens"].tolist()
        return first, [(int(row["start_char"]), int(row["end_char"])) for row in built.rows]

    def _put(self, document: Document, question: Question, first: int, places: Sequence[Span], alike: tuple[int, ...]) -> None:
        golds, barred = [], []
        spans = apart(question.spans)[: MOST_SPANS if document.paged else 1]  # elsewhere they are other words for the same
        for number, (begin, stop) in enumerate(places, first):
            barred += [number] if any(start < stop and end > begin for start, end in question.spans) else []
            for start, end in spans:
                if min(end, stop) - max(start, begin) >= max(1, ENOUGH * (end - start)):
                    golds.append(self._gold(number, document.text[begin:stop], max(start, begin) - begin, min(end, stop) - begin))
        if golds or not question.spans:
            own = first, first + len(places)
            self._tasks.append(Task(document.source, question.wordings, own, tuple(golds), tuple(barred), alike))

    def _gold(self, chunk: int, text: str, start: int, end: int) -> Gold:
        """The words start..end of a chunk's body, and the sentences that hold them."""
        header = self._headers[chunk]
        body = Body.of(self._chunks[chunk][header:], text, self._tokenizer.byte_lengths)
        found = [(begin, stop) for begin, stop in sentences(text) if begin < end and stop > start] or [(start, end)]
        quote = found[0][0], found[-1][1] if found[-1][1] - found[0][0] <= MOST_QUOTE else found[0][1]
        says_all = start <= quote[0] and end >= quote[1]
        answer = () if says_all or end - start > MOST_ANSWER else tuple(self._answer(body, start, end))
        first, stop = covering(body, *quote)
        return Gold(chunk, answer, header + first, header + stop)

    def _answer(self, body: Body, start: int, end: int) -> list[int]:
        """The words as they stand in the body, token for token where that is possible: so they are copied most easily."""
        first, stop = covering(body, start, end)
        words, taken = body.text[start:end], body.text[body.offsets[first] : body.offsets[stop]]
        ids = body.ids[first:stop] if taken.strip() == words and "\n" not in taken else self._tokenizer.encode(" ".join(words.split()))
        made: list[int] = ids.tolist()
        return made


def apart(spans: Sequence[Span]) -> list[Span]:
    """In order, without those that overlap one before."""
    taken: list[Span] = []
    for start, end in sorted(spans):
        if not taken or start >= taken[-1][1]:
            taken.append((start, end))
    return taken


def covering(body: Body, start: int, end: int) -> Span:
    """First and last + 1 of the tokens that hold a character of start..end."""
    first = int(np.searchsorted(body.offsets, start, "right")) - 1
    return first, max(first + 1, int(np.searchsorted(body.offsets, end, "left")))
