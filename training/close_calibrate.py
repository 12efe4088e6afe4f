"""What a close head counts beside all that is known before: `python -m training.close_calibrate --data FOLDER --head FILE [--documents N]`.

Questions of documents that were held back are asked of the engine as it stands. Half of the documents fit the weights: first which of the
sentences that were read close answers, then, from the best one, whether the answer is there at all. The other half says what they are
worth. FILE is written again with the weights fitted on both, and the figures go beside it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.scoring import f1
from engine.asked import Asked
from engine.cache.store import ChunkStore
from engine.calibration import LOCATE_CHUNKS, LOOK_CHUNKS, SPAN_TOKENS
from engine.close_reading import CloseSentence
from engine.close_way import CloseWay
from engine.engine import Engine
from engine.events import AnswerOptions
from engine.head_way import bodies
from engine.loading.bundled import fetch
from engine.loading.reading_head import read_close_head
from engine.model.reading_head import CloseWeights
from engine.opening import open_model
from engine.prompt import Prompt
from engine.runs import Spent
from engine.steps import run
from training.calibrate import index, logistic
from training.prompts import prompt_of
from training.read_calibrate import SOURCES, choice, groups, rounded
from training.read_corpus import Amounts, sampled
from training.read_export import export
from training.read_measure import told_apart
from training.read_sources import read_documents, split
from training.scan_corpus import shares_half
from training.scan_sources import Document, Question

AMOUNTS = Amounts(present=16, absent=12)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question: the first chunk's `odds`, and of each sentence that was read close [n, 4] overlap, mass, the chunk's odds and the
    head's own; in which the answer stands, and the F1 of the words that are taken out of it."""

    source: str
    half: int
    answerable: bool
    odds: float
    sentences: NDArray[np.float64]
    stands: NDArray[np.bool_]
    words: NDArray[np.float64]


def asked(engine: Engine, prompt: Prompt, group: Sequence[Document], half: int, random_: random.Random) -> Iterator[Outcome]:
    for number, document in enumerate(group):
        for question in sampled(document, AMOUNTS, random_):
            outcome = ask(engine, prompt, str(number), document, question, random_.choice(question.wordings), half)
            if outcome is not None:
                yield outcome


def ask(engine: Engine, prompt: Prompt, number: str, document: Document, question: Question, wording: str, half: int) -> Outcome | None:
    way = engine.spans
    assert isinstance(way, CloseWay), "it was opened with a close head"
    hits = way.hits(prompt, wording, LOCATE_CHUNKS)
    _, read = run(way.read_places(prompt, hits, wording, Spent(), LOCATE_CHUNKS, LOOK_CHUNKS), engine.decoder)
    if not read:
        return None
    close = run(way.read_close(wording, bodies(Asked(prompt, wording, AnswerOptions()), read)), engine.decoder)
    golds = [document.text[slice(*span)] for span in question.spans]
    return Outcome(
        document.source,
        half,
        bool(question.spans),
        read[0].odds,
        np.array([each.features for each in close]).reshape(-1, 4),
        np.array([stands(each, number, question) for each in close], dtype=bool),
        np.array([f1(each.words(SPAN_TOKENS), golds) for each in close]),
    )


def stands(close: CloseSentence, document: str, question: Question) -> bool:
    sentence = close.sentence
    chunk = sentence.place.chunk
    place = chunk.start_char + sentence.start, chunk.start_char + sentence.end
    return chunk.document == document and any(shares_half(place, span) for span in question.spans)


def fitted(outcomes: Sequence[Outcome]) -> CloseWeights:
    some = [each for each in outcomes if len(each.stands)]
    sentence = choice([(each.sentences, each.stands) for each in some], (4.0, 1.0, 0.5, 1.0))
    best = np.array([(each.odds, each.sentences[(each.sentences @ sentence).argmax(), 3]) for each in some])
    scale, bias = logistic(best, np.array([each.answerable for each in some]))
    overlap, mass, odds, own = sentence.tolist()
    return CloseWeights((overlap, mass, odds, own), (float(scale[0]), float(scale[1])), float(bias))


def measured(outcomes: Sequence[Outcome], weights: CloseWeights) -> dict[str, object]:
    """`before`: as it is without the head, by the first chunk's odds and by mass, odds and overlap alone."""
    some = [each for each in outcomes if len(each.stands)]
    first = [int((each.sentences @ np.array(weights.sentence)).argmax()) for each in some]
    odds = np.array(
        [weights.found[0] * each.odds + weights.found[1] * each.sentences[k, 3] + weights.bias for each, k in zip(some, first, strict=True)]
    )
    truth, says = np.array([each.answerable for each in some]), odds > 0
    there = [(each, k) for each, k in zip(some, first, strict=True) if each.answerable]
    held = [(each, k) for each, k in there if each.stands.any()]
    before = np.array([each.odds for each in some])
    return {
        "questions": len(some),
        "answerable": len(there),
        "sentence among those read": rounded(np.mean([each.stands.any() for each, _ in there])),
        "sentence@1": rounded(np.mean([each.stands[k] for each, k in there])),
        "sentence@1, the head alone": rounded(np.mean([each.stands[each.sentences[:, 3].argmax()] for each, _ in there])),
        "sentence@1, by mass and odds": rounded(
            np.mean([each.stands[(each.sentences[:, 1:3] @ (1.0, 0.5)).argmax()] for each, _ in there])
        ),
        "F1": rounded(np.mean([each.words[k] for each, k in there])),
        "F1, sentence given": rounded(np.mean([each.words[each.stands.argmax()] for each, _ in held])),
        "told apart": told_apart(odds[truth].tolist(), odds[~truth].tolist()),
        "told apart before": told_apart(before[truth].tolist(), before[~truth].tolist()),
        "found precision": rounded(truth[says].mean()) if says.any() else None,
        "found recall": rounded(says[truth].mean()),
        "not found precision": rounded((~truth[~says]).mean()) if (~says).any() else None,
        "not found recall": rounded((~says[~truth]).mean()) if (~truth).any() else None,
    }


def main() -> None:
    asked_for = parser().parse_args()
    random_, model = random.Random(asked_for.seed), open_model(fetch(), adapter=asked_for.adapter)  # noqa: S311 (a sample, no secret)
    name = model.fingerprint.split()[0]
    close = read_close_head(name, model.decoder.config, path=asked_for.head)
    if close is None:
        sys.exit(f"{asked_for.head} is no close head of the bundled model.")
    _, held = split(read_documents(asked_for.data, random_))
    outcomes: list[Outcome] = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(Engine(replace(model, close=close), ChunkStore(Path(scratch) / "store"), "spans")) as engine,
    ):
        for number, group in enumerate(groups(held, asked_for.documents)):
            prompt = prompt_of(Path(scratch) / str(number), engine.tokenizer, group)
            index(engine, prompt)
            outcomes += asked(engine, prompt, group, number % 2, random_)
            print(f"{number + 1}: {len(outcomes)} questions", file=sys.stderr, flush=True)
    fit, apart = ([each for each in outcomes if each.half == half] for half in (0, 1))
    found = fitted(fit)
    figures = {source: measured([each for each in apart if each.source == source], found) for source in SOURCES}
    weights = fitted(outcomes)
    export(asked_for.head, close.head, name, weights)
    told = {"weights": asdict(weights), "fitted on one half, measured on the other": figures}
    asked_for.head.with_suffix(".weights.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told, indent=1))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder of the training data")
    made.add_argument("--head", type=Path, required=True)
    made.add_argument("--adapter", type=Path, help="of the base model, whose head it is")
    made.add_argument("--documents", type=int, default=12, help="documents of each source at most")
    made.add_argument("--seed", type=int, default=1, help="that of read_sources, which says what was held back")
    return made


if __name__ == "__main__":
    main()
