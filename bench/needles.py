"""Facts of our own in 128 K, 1 M and 10 M tokens of other text: is each found, and is it quoted, when it is asked for in its own words and
in words of which it has none? One to eight facts about one kind of thing are hidden together, each at a random depth.

Found: one of the first ten located passages holds the fact; by words alone (BM25), by the scan alone, and by both as the engine fuses them.
Quoted: a citation overlaps the fact. Prompts, records and settings are those of bench.locate; records that stand in for indexed ones are
weaker distractors for the scan, and none for what reads.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from bench.facts import FACTS, GROUPS, Fact
from bench.library import Library
from bench.locate import chosen_sizes, indexed_tokens, store_folder
from bench.process import BenchFailed, Figures, Request, answer, measured
from bench.row import Measured, Row
from bench.scoring import overlaps
from bench.tiers import BUDGET_BYTES
from engine.engine import Engine
from engine.events import AnswerOptions, Failed, Located, Quote
from engine.loading.bundled import fetch
from engine.places import Texts, candidates
from engine.prompt import Prompt

SIZES = {"128K": 128_000, "1M": 1_000_000, "10M": 10_000_000}
FIRST = 10  # located passages
WORDINGS = ("shared", "other")
WAYS = ("words", "scan", "fused", "quoted")
"""By which a fact is found, and whether it is quoted."""


def run() -> Measured:
    """All questions at all sizes: some 90 a size, a second or two each."""
    library, real, found = Library.at_home(), indexed_tokens(), dict[str, Figures]()
    for size, tokens in chosen_sizes(SIZES).items():
        print(f"needles: {size}", file=sys.stderr)
        library.prompt(tokens)
        prompt = {"library": str(library.folder), "tokens": tokens, "store": str(store_folder(library, real))}
        measured("bench.indexing", prompt | {"real": min(real, tokens), "rates": False})
        found[size] = measured("bench.needles", prompt)
    return told(found)


def measure(request: Request) -> Figures:
    """The process's side: 1 or 0 for each fact, wording and way, named `3.other.scan`."""
    prompt = Library(Path(request["library"])).prompt(request["tokens"])
    with closing(Engine.open(fetch(), Path(request["store"]), budget_bytes=BUDGET_BYTES)) as engine:
        return {
            f"{number}.{wording}.{way}": float(hit)
            for number, fact in enumerate(FACTS)
            for wording in WORDINGS
            for way, hit in ways(engine, prompt, fact, getattr(fact, wording)).items()
        }


def ways(engine: Engine, prompt: Prompt, fact: Fact, question: str) -> dict[str, bool]:
    """What finds the fact, and whether it is quoted."""
    by_words = [prompt.document(hit.document).chunk(hit.chunk) for hit in candidates(prompt, question, FIRST)]
    by_scan = [place.chunk for place in engine.scan(prompt, question, FIRST)]
    texts = Texts(prompt)
    located, quotes = list[str](), list[str]()
    for event in engine.answer(prompt, question, options=AnswerOptions()):
        if isinstance(event, Failed):
            raise BenchFailed(event.message)
        if isinstance(event, Located):
            located.append(event.text)
        if isinstance(event, Quote):
            quotes.append(event.text)
    passages = {"words": map(texts.body, by_words), "scan": map(texts.body, by_scan), "fused": located[:FIRST], "quoted": quotes}
    return {way: any(overlaps(text, fact.text) for text in said) for way, said in passages.items()}


def told(found: Mapping[str, Figures]) -> Measured:
    """Shares over all facts, and over those that were hidden by one, two, four and eight."""
    figures: dict[str, float] = {}
    rows: list[Row] = []
    for size, hits in found.items():
        for wording, words in zip(WORDINGS, ("in its words", "in other words"), strict=True):
            shares = {way: share(hits, range(len(FACTS)), wording, way) for way in WAYS}
            figures |= {f"{size}.{wording}.{way}": value for way, value in shares.items()}
            rows += [
                Row(f"{size}, {words}: found, {way}", shares[way], "of all", "words alone", shares["words"]) for way in ("scan", "fused")
            ]
            rows.append(Row(f"{size}, {words}: quoted", shares["quoted"], "of all"))
            for together, numbers in by_group().items():
                figures |= {f"{size}.{wording}.{way}_of_{together}": share(hits, numbers, wording, way) for way in WAYS}
    return Measured(rows, figures)


def by_group() -> dict[int, list[int]]:
    """The numbers of the facts that were hidden by so many."""
    numbers: dict[int, list[int]] = {}
    first = 0
    for together in GROUPS:
        numbers.setdefault(together, []).extend(range(first, first + together))
        first += together
    return numbers


def share(hits: Figures, numbers: Sequence[int], wording: str, way: str) -> float:
    return sum(hits[f"{number}.{wording}.{way}"] for number in numbers) / len(numbers)


if __name__ == "__main__":
    answer(measure)
