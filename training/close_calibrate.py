"""How much close layers count beside all that is known before: `python -m training.close_calibrate --data FOLDER --layers FILE`.

Questions of documents that were held back are asked of the engine as it stands. Half of the documents fit the weights, by which of the
sentences that were read close answers, and by which questions have an answer. The other half says what they are worth. FILE is written
again with the weights fitted on both, and the figures go beside it.
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
from engine.calibration import LOCATE_CHUNKS, LOOK_CHUNKS
from engine.close_reading import CloseSentence
from engine.close_way import MOST_QUOTES, CloseWay
from engine.engine import Engine
from engine.events import AnswerOptions
from engine.head_way import bodies
from engine.loading.bundled import fetch
from engine.loading.close_layers import read_close_layers
from engine.loading.load import load_model
from engine.model.close_layers import CloseWeights
from engine.model.linear import cpu_has_int8
from engine.opening import open_model
from engine.prompt import Prompt
from engine.runs import Spent
from engine.steps import run
from training.calibrate import index
from training.close_export import reweighted
from training.prompts import prompt_of
from training.read_calibrate import SOURCES, choice, groups, rounded
from training.read_corpus import Amounts, sampled
from training.read_sources import read_documents, split
from training.scan_corpus import shares_half
from training.scan_sources import Document, Question

AMOUNTS = Amounts(present=16, absent=16)
SAYS = tuple(round(0.05 * step, 2) for step in range(21))
WORTH = 1 / 3  # a quote beside the best one is worth a look if one of three answers


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question: of each sentence that was read close [n, 4] overlap, mass, the chunk's odds and what the close layers say; in which the
    answer stands, and the F1 of the words that are taken out of it. `odds`: of the best chunk; `there`: whether there is an answer."""

    source: str
    half: int
    sentences: NDArray[np.float64]
    stands: NDArray[np.bool_]
    words: NDArray[np.float64]
    odds: float = 0.0
    there: bool = True


def asked(engine: Engine, prompt: Prompt, group: Sequence[Document], half: int, random_: random.Random) -> Iterator[Outcome]:
    for number, document in enumerate(group):
        for question in sampled(document, AMOUNTS, random_):
            outcome = ask(engine, prompt, str(number), document, question, random_.choice(question.wordings), half)
            if outcome is not None:
                yield outcome


def ask(engine: Engine, prompt: Prompt, number: str, document: Document, question: Question, wording: str, half: int) -> Outcome | None:
    way = engine.spans
    assert isinstance(way, CloseWay), "it was opened with close layers"
    hits = way.hits(prompt, wording, LOCATE_CHUNKS)
    _, read = run(way.read_places(prompt, hits, wording, Spent(), LOCATE_CHUNKS, LOOK_CHUNKS), engine.decoder)
    close = run(way.read_close(wording, bodies(Asked(prompt, wording, AnswerOptions()), read)), engine.decoder)
    if not close:
        return None
    golds = [document.text[slice(*span)] for span in question.spans]
    return Outcome(
        document.source,
        half,
        np.array([each.features for each in close]),
        np.array([stands(each, number, question) for each in close], dtype=bool),
        np.array([f1(each.words(CloseWay.longest), golds) for each in close]),
        read[0].odds,
        bool(golds),
    )


def stands(close: CloseSentence, document: str, question: Question) -> bool:
    sentence = close.sentence
    chunk = sentence.place.chunk
    place = chunk.start_char + sentence.start, chunk.start_char + sentence.end
    return chunk.document == document and any(shares_half(place, span) for span in question.spans)


def fitted(outcomes: Sequence[Outcome]) -> CloseWeights:
    overlap, mass, odds, close = choice([(each.sentences, each.stands) for each in outcomes], (4.0, 1.0, 0.5, 1.0)).tolist()
    weights = CloseWeights(overlap, mass, odds, close)
    return replace(weights, also=also([each for each in outcomes if each.there], weights), say=say(outcomes, weights))


def also(outcomes: Sequence[Outcome], weights: CloseWeights) -> float:
    """How far behind the best a sentence may be to be quoted beside it: as far as WORTH of those that are quoted so answer."""
    beside = sorted(pair for each in outcomes for pair in behind(each, weights))
    shares = np.cumsum([answers for _, answers in beside]) / np.arange(1, len(beside) + 1)
    enough = np.flatnonzero(shares >= WORTH)
    return beside[enough[-1]][0] if len(enough) else 0.0


def say(outcomes: Sequence[Outcome], weights: CloseWeights) -> float:
    """How much what the close layers say adds to the odds, so that what is there and what is not are likeliest. By sources that have both:
    where every question has an answer, more would always be better."""
    both = {each.source for each in outcomes if not each.there}
    some = [each for each in outcomes if each.source in both]
    if not some:
        return 0.0

    def nats(amount: float) -> float:
        own = replace(weights, say=amount)
        return float(np.mean([np.logaddexp(0.0, -odds(each, own) if each.there else odds(each, own)) for each in some]))

    return min(SAYS, key=nats)


def odds(outcome: Outcome, weights: CloseWeights) -> float:
    """That the answer is there."""
    return weights.found(outcome.odds, float(outcome.sentences[scores(outcome, weights).argmax(), 3]))


def behind(outcome: Outcome, weights: CloseWeights) -> Iterator[tuple[float, bool]]:
    """Of the sentences that may be quoted beside the best one: how far behind it each is, and whether it answers."""
    found = scores(outcome, weights)
    for number in np.argsort(-found)[1:MOST_QUOTES].tolist():
        yield float(found.max() - found[number]), bool(outcome.stands[number])


def scores(outcome: Outcome, weights: CloseWeights) -> NDArray[np.float64]:
    """Of each sentence."""
    return np.array([weights.score(*features) for features in outcome.sentences.tolist()])


def measured(every: Sequence[Outcome], weights: CloseWeights) -> dict[str, object]:
    """What is first by these weights, and by others, where there is an answer; and what is found."""
    outcomes = [each for each in every if each.there]
    ways = {"": weights, ", the close layers alone": CloseWeights(0.0, 0.0, 0.0, 1.0), ", without them": CloseWeights(4.0, 1.0, 0.5, 0.0)}
    told: dict[str, object] = {
        "questions": len(outcomes),
        "sentence among those read": rounded(np.mean([each.stands.any() for each in outcomes])),
        "F1, sentence given": rounded(np.mean([each.words[each.stands.argmax()] for each in outcomes if each.stands.any()])),
    }
    for name, own in ways.items():
        first = [int(scores(each, own).argmax()) for each in outcomes]
        told[f"sentence@1{name}"] = rounded(np.mean([each.stands[k] for each, k in zip(outcomes, first, strict=True)]))
        told[f"F1{name}"] = rounded(np.mean([each.words[k] for each, k in zip(outcomes, first, strict=True)]))
    beside = [answers for each in outcomes for distance, answers in behind(each, weights) if distance < weights.also]
    for name, own in {"": weights, ", without a say": replace(weights, say=0.0)}.items():
        told[f"found, of those there{name}"] = rounded(np.mean([odds(each, own) > 0 for each in outcomes]))
        absent = [odds(each, own) > 0 for each in every if not each.there]
        told[f"found, of those not there{name}"] = rounded(np.mean(absent)) if absent else None
    told |= {"quotes beside the first": len(beside), "of them answer": rounded(np.mean(beside)) if beside else None}
    return told


def main() -> None:
    asked_for = parser().parse_args()
    random_, model = random.Random(asked_for.seed), open_model(fetch(), adapter=asked_for.adapter)  # noqa: S311 (a sample, no secret)
    name, base = model.fingerprint.split()[0], load_model(fetch(), adapter=asked_for.adapter).decoder
    close = read_close_layers(name, model.decoder.config, asked_for.layers, base, int8=cpu_has_int8())
    if close is None:
        sys.exit(f"{asked_for.layers} holds no close layers of the bundled model.")
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
    reweighted(asked_for.layers, weights)
    told = {"weights": asdict(weights), "fitted on one half, measured on the other": figures}
    asked_for.layers.with_suffix(".weights.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told, indent=1))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder of the training data")
    made.add_argument("--layers", type=Path, required=True)
    made.add_argument("--adapter", type=Path, help="of the base model, whose layers they are")
    made.add_argument("--documents", type=int, default=12, help="documents of each source at most")
    made.add_argument("--seed", type=int, default=1, help="that of read_sources, which says what was held back")
    return made


if __name__ == "__main__":
    main()
