"""Fits the weights of engine.calibration: `python -m training.calibrate FOLDER [--documents N] [--json OUT]`.

FOLDER holds the training data (training.calibration_questions says what is taken of it). Half of the prompts fit the weights, the other
half say what they are worth.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.cache.store import ChunkStore
from engine.calibration import (
    LOCATE_CHUNKS,
    PLACE_ATTENTION,
    PLACE_LEXICAL,
    PLACE_LIKELIHOOD,
    READ_CHUNKS,
    SENTENCE_OVERLAP,
    SENTENCE_PLACE,
)
from engine.engine import Engine
from engine.loading.bundled import default_folder
from engine.opening import open_model
from engine.places import Place
from engine.prompt import Chunk, Prompt
from engine.read import Sentence
from engine.reading_format import asking
from engine.spans import evidence
from engine.steps import run
from training.calibration_questions import Question, Source, sources
from training.prompts import prompt_of
from training.scan_corpus import shares_half

MAX_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question asked: features and truth of every chunk and every sentence that was looked at, and of the answer."""

    kind: str
    half: int
    answerable: bool
    places: NDArray[np.float64]  # [chunks, 3]: BM25, attention, likelihood
    gold: NDArray[np.bool_]  # [chunks]
    candidates: bool  # an answer stands in a named chunk, looked at or not
    sentences: NDArray[np.float64]  # [sentences, 3]: likelihood, overlap, the chunk's score
    right: NDArray[np.bool_]  # [sentences]
    evidence: tuple[float, ...]
    wide: tuple[float, ...]  # the same where all chunks that were looked at are read
    wide_right: bool  # the best sentence of those is right
    sentence_f1: float
    f1: float


def holds(chunk: Chunk, question: Question) -> bool:
    """Whether the chunk holds at least half of a right span, or the span of the chunk."""
    return chunk.document == str(question.document) and any(
        shares_half((chunk.start_char, chunk.end_char), span) for span in question.spans
    )


def word_f1(answer: str, golds: Iterable[str]) -> float:
    """The best word overlap with one of the right answers."""

    def words(text: str) -> list[str]:
        return re.findall(r"\w+", text.lower())

    def one(gold: str) -> float:
        given, right = words(answer), words(gold)
        shared = sum(min(given.count(word), right.count(word)) for word in set(given))
        return 2 * shared / (len(given) + len(right)) if shared else 0.0

    return max((one(gold) for gold in golds), default=0.0)


def ask(engine: Engine, prompt: Prompt, source: Source, question: Question, half: int) -> Outcome | None:
    """Put one question the way the engine does, and keep what it saw."""
    places = engine.look(prompt, question.text, LOCATE_CHUNKS)
    texts = [source.documents[int(place.chunk.document)].text[place.chunk.start_char : place.chunk.end_char] for place in places]
    looked = [pair for pair in zip(places, texts, strict=True) if pair[0].likelihood is not None]
    found, wide = engine.find(question.text, looked[:READ_CHUNKS]), widened(engine, question.text, looked)
    if not found:
        return None
    best = found[0]
    sentence = best.text[best.start : best.end]
    read = engine.spans.read(best, asking(engine.tokenizer, question.text), MAX_TOKENS)
    answers = [source.documents[question.document].text[start:end] for start, end in question.spans]
    answer = run(read, engine.decoder) if answers else ""
    return Outcome(
        kind=source.kind,
        half=half,
        answerable=bool(answers),
        places=np.array([[place.lexical, place.attention or 0.0, place.likelihood] for place, _ in looked]),
        gold=np.array([holds(place.chunk, question) for place, _ in looked]),
        candidates=any(holds(place.chunk, question) for place in places),
        sentences=np.array([[s.likelihood, s.overlap, s.place.score] for s in found]),
        right=np.array([overlaps(s.text[s.start : s.end], answers) for s in found]),
        evidence=evidence(question.text, found).values(),
        wide=evidence(question.text, wide).values(),
        wide_right=overlaps(wide[0].text[wide[0].start : wide[0].end], answers),
        sentence_f1=word_f1(sentence, answers),
        f1=word_f1(answer, answers),
    )


def widened(engine: Engine, question: str, looked: Sequence[tuple[Place, str]]) -> list[Sentence]:
    """The sentences of all looked chunks, read so many chunks at a time as an unsure reader does (engine.spans)."""
    found = [
        sentence for first in range(0, len(looked), READ_CHUNKS) for sentence in engine.find(question, looked[first : first + READ_CHUNKS])
    ]
    return sorted(found, key=lambda sentence: sentence.score, reverse=True)


def index(engine: Engine, prompt: Prompt) -> None:
    """The index tier alone."""
    with closing(engine.prefill(prompt)) as events:  # type: ignore[type-var]
        for event in events:
            if event.tier == "full":
                return


def overlaps(sentence: str, answers: Iterable[str]) -> bool:
    """Whether the sentence and a right answer share a run of words: one holds the other, or the first half of the answer."""
    words = " ".join(re.findall(r"\w+", sentence.lower()))
    for answer in answers:
        own = re.findall(r"\w+", answer.lower())
        half = " ".join(own[: max(4, len(own) // 2)])
        if words and (half in words or words in " ".join(own)):
            return True
    return False


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
    return own, float(bias.detach()) - float(own @ mean)


def first_right(features: NDArray[np.float64], truth: NDArray[np.bool_], weights: Iterable[float], depth: int = 1) -> bool:
    """Whether a right one is among the first `depth` by the weighted features."""
    order = np.argsort(-(features @ np.array(list(weights))), kind="stable")
    return bool(truth[order[:depth]].any())


def report(outcomes: list[Outcome]) -> dict[str, object]:
    """Fit on one half, measure on the other."""
    fit, held = ([o for o in outcomes if o.half == half] for half in (0, 1))
    located = [o for o in fit if o.answerable and o.gold.any()]
    read = [o for o in fit if o.answerable and o.right.any()]
    place, _ = logistic(np.concatenate([o.places for o in located]), np.concatenate([o.gold for o in located]))
    sentence, _ = logistic(np.concatenate([o.sentences for o in read]), np.concatenate([o.right for o in read]))
    found, bias = logistic(np.array([o.evidence for o in fit]), np.array([o.answerable for o in fit]))
    result: dict[str, object] = {
        "place (BM25, attention, likelihood)": place.tolist(),
        "sentence (likelihood, overlap, place)": sentence.tolist(),
        "found": found.tolist(),
        "bias": bias,
    }
    for kind in sorted({o.kind for o in held}):
        result[kind] = measures([o for o in held if o.kind == kind], place, sentence, found, bias)
    return result


def measures(
    some: list[Outcome], place: NDArray[np.float64], sentence: NDArray[np.float64], found: NDArray[np.float64], bias: float
) -> object:
    """What the fitted weights, and the ones in use, are worth on questions that they have not seen."""
    present = [o for o in some if o.answerable]
    truth = np.array([o.answerable for o in some])
    says = np.array([o.evidence for o in some]) @ found + bias > 0
    weights = {
        "bm25": (1.0, 0.0, 0.0),
        "scan": (0.0, 1.0, 0.0),
        "likelihood": (0.0, 0.0, 1.0),
        "words and scan": (PLACE_LEXICAL, PLACE_ATTENTION, 0.0),
        "in use": (PLACE_LEXICAL, PLACE_ATTENTION, PLACE_LIKELIHOOD),
        "fitted": tuple(place),
    }
    ways = {
        "likelihood": (1.0, 0.0, 0.0),
        "overlap": (0.0, 1.0, 0.0),
        "in use": (1.0, SENTENCE_OVERLAP, SENTENCE_PLACE),
        "fitted": tuple(sentence),
    }
    return {
        "questions": len(some),
        "answerable": len(present),
        "in a candidate": mean(o.candidates for o in present),
        **{f"chunk@{k}, {name}": mean(first_right(o.places, o.gold, w, k) for o in present) for name, w in weights.items() for k in (1, 3)},
        **{f"sentence@1, {name}": mean(first_right(o.sentences, o.right, w) for o in present) for name, w in ways.items()},
        "f1 of the sentence": mean(o.sentence_f1 for o in present),
        "f1": mean(o.f1 for o in present),
        "found accuracy": mean(says == truth),
        "found precision": mean(truth[says]),
        "found recall": mean(says[truth]),
        "notfound precision": mean(~truth[~says]),
        "notfound recall": mean(~says[~truth]),
    }


def mean(values: Iterable[float]) -> float | None:
    """Rounded; None of nothing."""
    listed = [float(value) for value in values]
    return round(sum(listed) / len(listed), 3) if listed else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=16, help="contracts")
    parser.add_argument("--each", type=int, default=6, help="questions a contract, so many answerable and so many absent")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--outcomes", type=Path, help="every question's features, pickled")
    asked = parser.parse_args()
    outcomes = list[Outcome]()
    with tempfile.TemporaryDirectory() as scratch:
        # The weights are those of the way without a reading head, which has its own (training.read_calibrate).
        engine = Engine(replace(open_model(default_folder()), reading=None), ChunkStore(Path(scratch) / "store"), "spans")
        put = sources(asked.folder, asked.documents, asked.each)
        for number, source in enumerate(put):
            prompt = prompt_of(Path(scratch) / str(number), engine.tokenizer, source.documents)
            index(engine, prompt)
            outcomes += [outcome for each in source.questions if (outcome := ask(engine, prompt, source, each, number % 2))]
            print(f"{number + 1} of {len(put)} prompts, {len(outcomes)} questions", flush=True)
            if asked.outcomes:
                asked.outcomes.write_bytes(pickle.dumps(outcomes))
    result = report(outcomes)
    print(json.dumps(result, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
