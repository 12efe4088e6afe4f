"""What a step is trained on: a pack of examples drawn by shares from a library. The same seed, step and progress give the same pack.

Reading: a chunk that answers among others, or none that does. Others are of the same document, alike by their words, or any; they grow more
as training goes on. Needles and look-ups are made up in chunks of plain texts. Keeping: plain text alone, so that nothing is forgotten, and
to fill what is left of a step. Knows no model.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.tokenizer import Tokenizer
from training.scan_sources import varied
from training.scout_format import Format, Shown, Told, Way
from training.scout_library import Gold, Library, Task
from training.scout_made import Holding, fact, rows, with_needle, with_row
from training.scout_pack import Example, Pack, pack

MOST_CHUNKS = 16
FRAME_TOKENS = 24  # what a window puts around a passage, at most
OWN, ALIKE = 0.4, 0.8  # of the wrong chunks these are of the same document, then up to here alike by their words, then any
HIGHEST_NUMBER = 400  # of a passage
KEEP = "keep"
KEEP_TOKENS = 3000  # drawn at once: about as many as an asked example has
LACKING = 0.5  # of the examples without an answer those whose document has none, where a source has such questions
LOOKUPS = "What is the value of {}?", "Which value does {} have?", "{}", "look up {}"


@dataclass(frozen=True, slots=True)
class Shares:
    """How often each kind of example is drawn. `absent`: of the asked examples those that hold no answer; `joined`: those that are read
    in one window; the others are composed."""

    kinds: Mapping[str, float] = field(default_factory=lambda: {"read": 0.6, KEEP: 0.15, "needle": 0.09, "lookup": 0.06, "code": 0.1})
    absent: float = 0.3
    joined: float = 0.25


@dataclass(frozen=True, slots=True)
class Case:
    """A question, the chunks that must be shown with what is told of them, and how to draw another chunk."""

    question: str
    right: list[tuple[Shown, list[Gold]]]
    another: Callable[[], Shown | None]


class Mixture:
    """Packs of `tokens` tokens; a window holds as many as `attention_chunk`."""

    def __init__(self, library: Library, tokenizer: Tokenizer, seed: int, tokens: int, attention_chunk: int, shares: Shares) -> None:
        self._library, self._format, self._tokenizer = library, Format(tokenizer), tokenizer
        self._seed, self._tokens, self._attention_chunk, self._shares = seed, tokens, attention_chunk, shares
        self._plain = [number for first, end in library.plain for number in range(first, end)] or list(range(len(library)))
        code = [task for task in library.tasks if task.source == "code"]
        self._of_kind = {"code": by_source(code), "read": by_source([task for task in library.tasks if task.source != "code"])}
        self._drawing = {"read": self._task, "code": self._task, "needle": self._needle, "lookup": self._lookup}
        self.kinds = tuple(
            kind for kind in (*self._drawing, KEEP) if self._of_kind.get(kind, True) and (shares.kinds.get(kind) or kind == KEEP)
        )

    def pack(self, step: int, progress: float) -> Pack:
        """`progress`, 0 to 1: how many wrong chunks there may be."""
        random_ = random.Random(f"{self._seed} {step}")  # noqa: S311 (a sample, no secret)
        examples: list[Example] = []
        left, shares = self._tokens, [self._shares.kinds.get(kind, 0.0) for kind in self.kinds]
        while left:
            kind = random_.choices(self.kinds, shares)[0]
            drawn = None if kind == KEEP else self._asked(kind, random_, progress, left)
            more = [drawn] if drawn else self._keep(random_, min(left, KEEP_TOKENS))
            examples += more
            left -= sum(each.tokens for each in more)
        return pack(examples, self.kinds, self._attention_chunk)

    def _keep(self, random_: random.Random, tokens: int) -> list[Example]:
        """Just so many tokens of plain texts, each chunk alone."""
        examples: list[Example] = []
        while tokens:
            shown = self._shown(random_.choice(self._plain))
            examples.append(self._format.plain(KEEP, shown.ids[:tokens], shown.header_tokens))
            tokens -= examples[-1].tokens
        return examples

    def _asked(self, kind: str, random_: random.Random, progress: float, left: int) -> Example | None:
        """None if it does not fit."""
        way: Way = "joined" if random_.random() < self._shares.joined else "composed"
        room = min(left, self._attention_chunk) if way == "joined" else left
        absent = random_.random() < self._shares.absent
        case = self._drawing[kind](kind, random_, absent)
        chunks, alone = list(case.right), self._example(kind, way, case.question, case.right, random_)
        room -= alone.tokens
        for _ in range(random_.randint(int(not chunks), max(1, round(progress * (MOST_CHUNKS - len(chunks)))))):
            shown = case.another()
            if shown is not None and len(shown.ids) + FRAME_TOKENS <= room:
                chunks.append((shown, []))
                room -= len(shown.ids) + FRAME_TOKENS
        if room < 0 or not chunks:
            return None
        random_.shuffle(chunks)
        return self._example(kind, way, case.question, chunks, random_)

    def _example(self, kind: str, way: Way, question: str, chunks: Sequence[tuple[Shown, list[Gold]]], random_: random.Random) -> Example:
        numbers = sorted(random_.sample(range(1, HIGHEST_NUMBER), len(chunks)))
        shown = [Shown(each.ids, each.header_tokens, number) for number, (each, _) in zip(numbers, chunks, strict=True)]
        told = [Told(gold.answer, place, gold.first, gold.end) for place, (_, golds) in enumerate(chunks) for gold in golds]
        return self._format.asked(kind, way, shown, question, told)

    def _task(self, kind: str, random_: random.Random, absent: bool) -> Case:
        """A question of the library, its answers left out if they are to be `absent`."""
        sources = self._of_kind[kind]
        tasks = sources[random_.choices(list(sources), [len(each) ** 0.5 for each in sources.values()])[0]]
        lacking = [task for task in tasks if not task.golds]
        present = [task for task in tasks if task.golds]
        task = random_.choice(lacking if lacking and (not present or (absent and random_.random() < LACKING)) else present)
        golds = {} if absent else grouped(task.golds)
        taken = {*task.barred, *golds}

        def another() -> Shown | None:
            drawn = random_.random()
            among: Sequence[int] = range(*task.own) if drawn < OWN else task.alike if drawn < ALIKE else ()
            fresh = [number for number in among if number not in taken]
            number = random_.choice(fresh) if fresh else self._foreign(task, random_)
            if number in taken:
                return None
            taken.add(number)
            return self._shown(number)

        right = [(self._shown(number), own) for number, own in golds.items()]
        return Case(varied(random_.choice(task.wordings), random_), right, another)

    def _needle(self, _kind: str, random_: random.Random, absent: bool) -> Case:
        """A fact in a plain text, or none; the other chunks hold other facts."""
        made = fact(random_)

        def held(sentence: str) -> Holding:
            shown = self._shown(random_.choice(self._plain))
            return with_needle(self._tokenizer, shown.ids, shown.header_tokens, sentence, random_)

        def another() -> Shown | None:
            other = fact(random_)
            holding = held(other.sentence)
            return Shown(holding.ids, holding.header_tokens, 0) if other.about != made.about else None

        return Case(varied(made.question, random_), [] if absent else [self._right(held(made.sentence), made.answer)], another)

    def _lookup(self, _kind: str, random_: random.Random, absent: bool) -> Case:
        """A row of a table among tables."""
        table = rows(random_)
        row = random_.choice(table)

        def another() -> Shown | None:
            other = [each for each in rows(random_) if each.key != row.key]
            holding = with_row(self._tokenizer, other, other[0], random_.randint(1, 99))
            return Shown(holding.ids, holding.header_tokens, 0)

        right = [] if absent else [self._right(with_row(self._tokenizer, table, row, random_.randint(1, 99)), row.value)]
        return Case(random_.choice(LOOKUPS).format(row.key), right, another)

    def _right(self, holding: Holding, answer: str) -> tuple[Shown, list[Gold]]:
        gold = Gold(0, tuple(self._tokenizer.encode(f" {answer}").tolist()), holding.first, holding.end)
        return Shown(holding.ids, holding.header_tokens, 0), [gold]

    def _shown(self, number: int) -> Shown:
        return Shown(self._library.chunk(number), int(self._library.headers[number]), 0)

    def _foreign(self, task: Task, random_: random.Random) -> int:
        """A chunk of another source: one of the same may answer too."""
        others = [source for kind in self._of_kind.values() for source in kind if source != task.source]
        if not others:
            return random_.choice(self._plain)
        source = random_.choice(others)
        return random_.randrange(*random_.choice(next(kind[source] for kind in self._of_kind.values() if source in kind)).own)


def by_source(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.source, []).append(task)
    return found


def grouped(golds: Iterable[Gold]) -> dict[int, list[Gold]]:
    """By their chunks."""
    found: dict[int, list[Gold]] = {}
    for gold in golds:
        found.setdefault(gold.chunk, []).append(gold)
    return found
