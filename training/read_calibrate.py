"""What a reading head's odds count beside words and scan: `python -m training.read_calibrate --data FOLDER --head FILE [--documents N]`.

Questions of documents that were held back from its training are asked of the engine as it stands, over prompts of the real prompt builder.
Half of the documents fit the weights: first which located chunk answers, by all that were looked at; then, from the first one's odds,
whether the answer is there at all. The other half says what they are worth. FILE is written again with the weights fitted on both, and
the figures go beside it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import SupportsFloat

import numpy as np
import torch
from numpy.typing import NDArray

from engine.cache.store import ChunkStore
from engine.calibration import LOCATE_CHUNKS, LOOK_CHUNKS, PLACE_ATTENTION, PLACE_LEXICAL, PLACE_LIKELIHOOD, READ_CHUNKS
from engine.engine import Engine
from engine.head_way import HeadWay
from engine.loading.bundled import fetch
from engine.loading.reading_head import read_reading_head
from engine.model.reading_head import ReadingHead, Weights
from engine.opening import Model, open_model
from engine.places import Place, Texts
from engine.prompt import Prompt
from engine.runs import Spent
from engine.steps import run
from training.calibrate import index, logistic
from training.prompts import prompt_of
from training.read_corpus import Amounts, sampled
from training.read_export import export
from training.read_measure import told_apart
from training.read_sources import read_documents, split
from training.scan_corpus import shares_half
from training.scan_sources import Document, Question, Span

SOURCES = ("contracts", "long contracts", "longest contracts", "wikipedia")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question: [places, 4] head, BM25, scan and likelihood of each place read; which are right; and where the first places hold an
    answer, [sentences, 4] likelihood, overlap, mass and odds of their sentences, and in which the answer stands."""

    source: str
    half: int
    answerable: bool
    features: NDArray[np.float64]
    right: NDArray[np.bool_]
    sentences: NDArray[np.float64]
    stands: NDArray[np.bool_]


def groups(held: Sequence[Document], each: int) -> Iterator[list[Document]]:
    """Documents that are asked about together: those of an open source all at once, in two halves."""
    for source in SOURCES:
        own = [document for document in held if document.source == source][:each]
        if own and own[0].closed:
            yield from ([document] for document in own)
        elif own:
            yield from (own[::2], own[1::2])


def asked(engine: Engine, prompt: Prompt, group: Sequence[Document], half: int, random_: random.Random) -> Iterator[Outcome]:
    for number, document in enumerate(group):
        for question in sampled(document, Amounts(present=16, absent=12), random_):
            wording = random_.choice(question.wordings)
            if (outcome := ask(engine, prompt, str(number), document, question, wording, half)) is not None:
                yield outcome


def ask(engine: Engine, prompt: Prompt, number: str, document: Document, question: Question, wording: str, half: int) -> Outcome | None:
    way = engine.spans
    assert isinstance(way, HeadWay), "it was opened with a head"
    hits = way.hits(prompt, wording, LOCATE_CHUNKS)
    _, read = run(way.read_places(prompt, hits, wording, Spent(), LOCATE_CHUNKS, LOOK_CHUNKS), engine.decoder)
    if not read:
        return None
    right = np.array([answers(each.place, number, question.spans) for each in read])
    features = np.array([(each.odds, each.place.lexical, seen(each.place), each.place.likelihood or 0.0) for each in read])
    sentences: list[tuple[float, ...]] = []
    stands: list[bool] = []
    if right[:READ_CHUNKS].any():
        texts = Texts(prompt)
        first = [(each, texts.body(each.place.chunk)) for each in read[:READ_CHUNKS]]
        for sentence in run(way.ranked(wording, first), engine.decoder):
            sentences.append((sentence.likelihood, sentence.overlap, sentence.mass, sentence.place.odds or 0.0))
            chunk = sentence.place.chunk
            start = chunk.start_char
            place = (start + sentence.start, start + sentence.end)
            stands.append(chunk.document == number and any(shares_half(place, span) for span in question.spans))
    return Outcome(document.source, half, bool(question.spans), features, right, np.array(sentences), np.array(stands, dtype=bool))


def seen(place: Place) -> float:
    return place.assumed if place.attention is None else place.attention


def answers(place: Place, document: str, spans: Sequence[Span]) -> bool:
    chunk = place.chunk
    return chunk.document == document and any(shares_half((chunk.start_char, chunk.end_char), span) for span in spans)


def fitted(outcomes: Sequence[Outcome]) -> Weights:
    """Which place answers, each question a choice among its places; whether the first one does; and which of their sentences."""
    own = choice([(each.features, each.right) for each in outcomes], (1.0, 0.05, 5.0, 0.5))
    sources = both(outcomes)
    scale, bias = told([((each.features @ own).max(), each.answerable) for each in outcomes if each.source in sources])
    head, lexical, attention, gain = (scale * float(value) for value in own)
    likelihood, overlap, mass, odds = choice([(each.sentences, each.stands) for each in outcomes], (1.0, 4.0, 1.0, 0.5)).tolist()
    return Weights(head, lexical, attention, gain, bias, (likelihood, overlap, mass, odds / head))  # odds as the head alone says them


def both(outcomes: Sequence[Outcome]) -> set[str]:
    """Sources that have questions with an answer and without one."""
    present, absent = ({each.source for each in outcomes if each.answerable is truth} for truth in (True, False))
    return present & absent


def told(some: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """What a score is multiplied by, and what is added, to be the log-odds that the answer is there, as if half of the questions had one:
    nobody knows how many of a reader's have, and this way neither mistake weighs more."""
    truth = np.array([answerable for _, answerable in some])
    scale, bias = logistic(np.array([[score] for score, _ in some]), truth)
    return float(scale[0]), float(bias - np.log(truth.sum() / (~truth).sum()))


def choice(some: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]], start: tuple[float, ...]) -> NDArray[np.float64]:
    """Weights of features [candidates, n] under which right candidates are likeliest, over the questions that have right and wrong ones."""
    pairs = [(torch.tensor(features), torch.tensor(right)) for features, right in some if len(right) and right.any() and not right.all()]
    scale = torch.tensor(start, dtype=torch.float64)
    weights = torch.ones(len(start), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logs = [torch.log_softmax(features @ (weights * scale), 0)[right].logsumexp(0) for features, right in pairs]
        value = -torch.stack(logs).mean() + 1e-3 * weights.pow(2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    if pairs:
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    found: NDArray[np.float64] = (weights * scale).detach().numpy()
    return found


def measured(outcomes: Sequence[Outcome], weights: Weights) -> dict[str, object]:
    own = np.array([weights.head, weights.lexical, weights.attention, weights.likelihood])
    odds = [each.features @ own + weights.bias for each in outcomes]
    there = [(each, scores) for each, scores in zip(outcomes, odds, strict=True) if each.answerable]
    truth, says = np.array([each.answerable for each in outcomes]), np.array([scores.max() > 0 for scores in odds])
    first = {name: np.mean([bool(each.right[(each.features @ np.array(way)).argmax()]) for each, _ in there]) for name, way in WAYS.items()}
    most = [float(scores.max()) for scores in odds]
    return {
        "questions": len(outcomes),
        "answerable": len(there),
        "among those read": rounded(np.mean([each.right.any() for each, _ in there])),
        **{f"@1, {name}": rounded(value) for name, value in first.items()},
        **{f"sentence@1, {name}": first_stands(outcomes, way) for name, way in (SENTENCES | {"fitted": weights.sentence}).items()},
        "@1, fitted": rounded(np.mean([bool(each.right[scores.argmax()]) for each, scores in there])),
        "told apart": told_apart(
            [m for m, t in zip(most, truth, strict=True) if t], [m for m, t in zip(most, truth, strict=True) if not t]
        ),
        "found precision": rounded(truth[says].mean()) if says.any() else None,
        "found recall": rounded(says[truth].mean()),
        "not found precision": rounded((~truth[~says]).mean()) if (~says).any() else None,
        "not found recall": rounded((~says[~truth]).mean()) if (~truth).any() else None,
    }


WAYS = {
    "BM25": (0.0, 1.0, 0.0, 0.0),
    "scan": (0.0, 0.0, 1.0, 0.0),
    "likelihood": (0.0, 0.0, 0.0, 1.0),
    "without the head": (0.0, PLACE_LEXICAL, PLACE_ATTENTION, PLACE_LIKELIHOOD),
    "head": (1.0, 0.0, 0.0, 0.0),
}


SENTENCES = {
    "likelihood": (1.0, 0.0, 0.0, 0.0),
    "likelihood and overlap": (1.0, 4.0, 0.0, 0.0),
    "mass": (0.0, 0.0, 1.0, 0.0),
    "mass and odds": (0.0, 0.0, 1.0, 1.0),
}


def first_stands(outcomes: Sequence[Outcome], way: Sequence[float]) -> float:
    """Of the questions whose first places hold an answer, how many have it in the first sentence."""
    some = [each for each in outcomes if len(each.stands)]
    return rounded(np.mean([bool(each.stands[(each.sentences @ np.array(way)).argmax()]) for each in some]))


def rounded(value: SupportsFloat) -> float:
    return round(float(value), 3)


def opened(model: Model, head: ReadingHead, store: Path) -> Engine:
    """The engine with this head, whose odds stand by themselves."""
    head.weights = Weights()
    return Engine(replace(model, reading=head), ChunkStore(store), "spans")


def main() -> None:
    asked_for = parser().parse_args()
    random_, model = random.Random(asked_for.seed), open_model(fetch(), adapter=asked_for.adapter)  # noqa: S311 (a sample, no secret)
    name = model.fingerprint.split()[0]
    head = read_reading_head(name, model.decoder.config, path=asked_for.head)
    if head is None:
        sys.exit(f"{asked_for.head} is no reading head of the bundled model.")
    _, held = split(read_documents(asked_for.data, random_))
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as scratch, closing(opened(model, head, Path(scratch) / "store")) as engine:
        for number, group in enumerate(groups(held, asked_for.documents)):
            prompt = prompt_of(Path(scratch) / str(number), engine.tokenizer, group)
            index(engine, prompt)
            outcomes += asked(engine, prompt, group, number % 2, random_)
            print(f"{number + 1}: {len(outcomes)} questions", file=sys.stderr, flush=True)
    fit, apart = ([each for each in outcomes if each.half == half] for half in (0, 1))
    head.weights = fitted(fit)
    figures = {source: measured([each for each in apart if each.source == source], head.weights) for source in SOURCES}
    head.weights = fitted(outcomes)
    export(asked_for.head, head, name)
    said = {"weights": repr(head.weights), "fitted on one half, measured on the other": figures}
    asked_for.head.with_suffix(".weights.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(said, indent=1))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder of the training data")
    made.add_argument("--head", type=Path, required=True)
    made.add_argument("--adapter", type=Path, help="of the base model, whose head it is")
    made.add_argument("--documents", type=int, default=12, help="documents of each source at most")
    made.add_argument("--seed", type=int, default=1, help="that of the training, which says what was held back")
    return made


if __name__ == "__main__":
    main()
