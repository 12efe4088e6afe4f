"""Fits the weights of engine.calibration: `python -m training.calibrate FOLDER [--documents N] [--json OUT]`.

FOLDER holds contracts.jsonl.gz and wikipedia.jsonl.gz (training data, never an evaluation set). Contracts are documents of their own;
wikipedia paragraphs are put together, forty to a document. Absent questions: contract clauses that the contract lacks, and questions of
other wikipedia documents. Half of the documents fit the weights, the other half say what they are worth.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.calibration import LOCATE_CHUNKS, READ_CHUNKS
from engine.engine import Engine, evidence, reading_score
from engine.lexical import LexicalIndex
from engine.loading.bundled import default_folder
from engine.locate import Place
from engine.prompt import CHUNK_ROW, Prompt, PromptDocument
from engine.read import Reading, read_spans
from engine.span import Body
from engine.tokenizer import Tokenizer

BODY_CHARACTERS = 1600  # about 400 tokens
MAX_TOKENS = 64
MOST_CHARACTERS = 60_000  # longer contracts are left out: they only take longer
ARTICLES = 40  # to a wikipedia document


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    answers: tuple[str, ...]  # () if absent


@dataclass(frozen=True, slots=True)
class Source:
    kind: str
    name: str
    text: str
    questions: tuple[Question, ...]


@dataclass(slots=True)
class Outcome:
    """One question asked: features and truth of every located chunk, and of the answer."""

    kind: str
    half: int
    answerable: bool
    places: NDArray[np.float64]  # [chunks, 2]: lexical share, likelihood
    gold: NDArray[np.bool_]  # [chunks]
    evidence: tuple[float, ...]
    right_chunk: bool
    f1: float


def rows(path: Path) -> Iterator[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


def contracts(path: Path, random_: random.Random, count: int, each: int) -> list[Source]:
    sources = []
    short = [row for row in rows(path) if len(str(row["text"])) <= MOST_CHARACTERS]
    for row in random_.sample(short, count):
        questions = [Question(qa["question"], tuple(qa["spans"]) if qa["answerable"] else ()) for qa in row["qas"]]  # type: ignore[attr-defined]
        present, absent = [q for q in questions if q.answers], [q for q in questions if not q.answers]
        chosen = random_.sample(present, min(each, len(present))) + random_.sample(absent, min(each, len(absent)))
        sources.append(Source("contracts", str(row["title"])[:60], str(row["text"]), tuple(chosen)))
    return sources


def wikipedia(path: Path, random_: random.Random, count: int, each: int) -> list[Source]:
    articles = list(rows(path))
    random_.shuffle(articles)
    groups = [articles[place : place + ARTICLES] for place in range(0, count * ARTICLES, ARTICLES)]
    asked = [
        [Question(qa["question"], tuple(qa["answers"])) for row in group for qa in row["qas"][:1]]  # type: ignore[index]
        for group in groups
    ]
    sources = []
    for number, group in enumerate(groups):
        absent = [Question(question.text, ()) for question in random_.sample(asked[(number + 1) % len(groups)], each)]
        text = "\n\n".join(str(row["context"]).strip() for row in group) + "\n"
        sources.append(Source("wikipedia", f"articles {number}", text, (*random_.sample(asked[number], each), *absent)))
    return sources


def bodies(text: str) -> Iterator[tuple[int, int]]:
    """Characters of each chunk's body: about BODY_CHARACTERS, up to a paragraph's end, else a line's or a blank."""
    start = 0
    while start < len(text):
        end = min(len(text), start + BODY_CHARACTERS)
        if end < len(text):
            window = text[start + BODY_CHARACTERS // 2 : end]
            cuts = next((found for mark in (r"\n\s*\n", r"\n", r"(?<=\.)\s", r"\s") if (found := list(re.finditer(mark, window)))), [])
            end = start + BODY_CHARACTERS // 2 + cuts[-1].end() if cuts else end
        yield start, end
        start = end


def make_prompt(folder: Path, tokenizer: Tokenizer, source: Source) -> Prompt:
    """As ingest makes it: a header line, then the body."""
    cuts, parts, table, token = list(bodies(source.text)), [], [], 0
    for page, (start, end) in enumerate(cuts, 1):
        header, ids = tokenizer.encode(f"[{source.name}, page {page}]\n"), tokenizer.encode(source.text[start:end])
        parts += [header, ids]
        table.append((token, token + len(header) + len(ids), len(header), start, end))
        token += len(header) + len(ids)
    (folder / "text.txt").write_text(source.text, encoding="utf-8", newline="")
    LexicalIndex(folder / "lexical.sqlite").put("d", [source.text[start:end] for start, end in cuts])
    document = PromptDocument("d", source.name, np.concatenate(parts), np.array(table, dtype=CHUNK_ROW), folder / "text.txt")
    return Prompt((document,), folder / "lexical.sqlite", "calibration")


def holds(text: str, question: Question) -> bool:
    return any(answer[:200] in text for answer in question.answers)


def word_f1(answer: str, golds: Iterable[str]) -> float:
    """The best word overlap with one of the right answers."""

    def words(text: str) -> list[str]:
        return re.findall(r"\w+", text.lower())

    def one(gold: str) -> float:
        given, right = words(answer), words(gold)
        shared = sum(min(given.count(word), right.count(word)) for word in set(given))
        return 2 * shared / (len(given) + len(right)) if shared else 0.0

    return max((one(gold) for gold in golds), default=0.0)


def ask(engine: Engine, prompt: Prompt, text: str, question: Question, kind: str, half: int) -> Outcome | None:
    """Put one question the way the engine does, and keep what it saw."""
    places = engine.look(prompt, question.text, LOCATE_CHUNKS, MAX_TOKENS)
    if not places:
        return None
    slices = [text[place.chunk.start_char : place.chunk.end_char] for place in places]
    gold = np.array([holds(slice_, question) for slice_ in slices])
    readings = [
        Reading(place, Body.of(place.chunk.body, slice_, engine.tokenizer.byte_lengths))
        for place, slice_ in zip(places[:READ_CHUNKS], slices, strict=False)
    ]
    for _ in read_spans(engine.decoder, readings, engine.ends, MAX_TOKENS):
        pass
    ranked = sorted((reading for reading in readings if reading.done), key=reading_score, reverse=True)
    if not ranked:
        return None
    start, end = ranked[0].characters()
    f1 = word_f1(ranked[0].body.text[start:end], question.answers)
    seen = evidence(question.text, places, ranked).values()
    return Outcome(kind, half, bool(question.answers), features(places), gold, seen, bool(gold[places.index(ranked[0].place)]), f1)


def features(places: list[Place]) -> NDArray[np.float64]:
    best = max(place.lexical for place in places)
    return np.array([[place.lexical / max(best, 1e-9), place.likelihood] for place in places])


def logistic(x: NDArray[np.float64], y: NDArray[np.bool_], decay: float = 1e-3) -> tuple[NDArray[np.float64], float]:
    """Weights and bias of a logistic regression, fitted on standardised features and given back in the features' own units."""
    mean, spread = x.mean(0), x.std(0) + 1e-9
    inputs, targets = torch.tensor((x - mean) / spread), torch.tensor(y, dtype=torch.float64)
    weight = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(inputs @ weight + bias, targets) + decay * weight.pow(2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    own = weight.detach().numpy() / spread
    return own, float(bias) - float(own @ mean)


def recall_at(outcomes: list[Outcome], weights: tuple[float, float], depth: int) -> float:
    """Share of the questions with a right chunk among the candidates' first `depth`; those where no candidate is right count as missed."""
    hits = [o.gold[np.argsort(-(o.places @ np.array(weights)), kind="stable")[:depth]].any() for o in outcomes if o.answerable]
    return float(np.mean(hits))


def report(outcomes: list[Outcome]) -> dict[str, object]:
    """Fit on one half, measure on the other."""
    fit, held = ([o for o in outcomes if o.half == half] for half in (0, 1))
    present = [o for o in fit if o.answerable and o.gold.any()]
    place, _ = logistic(np.concatenate([o.places for o in present]), np.concatenate([o.gold for o in present]))
    found, bias = logistic(np.array([o.evidence for o in fit]), np.array([o.answerable for o in fit]))
    result: dict[str, object] = {"place": place.tolist(), "found": found.tolist(), "bias": bias}
    for kind in sorted({o.kind for o in held}):
        some = [o for o in held if o.kind == kind]
        odds = np.array([o.evidence for o in some]) @ found + bias
        truth = np.array([o.answerable for o in some])
        result[kind] = {
            "questions": len(some),
            "candidates": recall_at(some, (1, 0), LOCATE_CHUNKS),
            **{
                f"{name}@{depth}": round(recall_at(some, weights, depth), 3)
                for name, weights in {"bm25": (1.0, 0.0), "likelihood": (0.0, 1.0), "fused": (float(place[0]), float(place[1]))}.items()
                for depth in (1, 3, 5)
            },
            "answer chunk right": round(float(np.mean([o.right_chunk for o in some if o.answerable])), 3),
            "f1": round(float(np.mean([o.f1 for o in some if o.answerable])), 3),
            "found accuracy": round(float(np.mean((odds > 0) == truth)), 3),
            "found precision": round(float(truth[odds > 0].mean()), 3) if (odds > 0).any() else None,
            "found recall": round(float((odds > 0)[truth].mean()), 3),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=16, help="documents of each kind")
    parser.add_argument("--each", type=int, default=6, help="questions a document, so many answerable and so many absent")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    random_ = random.Random(11)  # noqa: S311 (a sample, no secret)
    sources = contracts(asked.folder / "contracts.jsonl.gz", random_, asked.documents, asked.each)
    sources += wikipedia(asked.folder / "wikipedia.jsonl.gz", random_, asked.documents, asked.each)
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as scratch:
        engine = Engine.open(default_folder(), Path(scratch) / "store")
        for number, source in enumerate(sources):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            prompt = make_prompt(folder, engine.tokenizer, source)
            asked_here = (ask(engine, prompt, source.text, question, source.kind, number % 2) for question in source.questions)
            outcomes += [outcome for outcome in asked_here if outcome is not None]
            print(f"{number + 1} of {len(sources)} documents, {len(outcomes)} questions", flush=True)
    result = report(outcomes)
    print(json.dumps(result, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
