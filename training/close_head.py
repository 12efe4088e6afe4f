"""Trains the bundled model's close head: `python -m training.close_head --data FOLDER --minutes N --out FILE`.

The model is frozen. Sentences are encoded after their question as `engine.close_reading` reads them, those that are not in the cache yet;
then the head is fitted, and measured on documents that were held back. FILE gets the head (safetensors), without weights until
`python -m training.close_calibrate` has fitted them, and the run's settings, curve and figures beside it (.json). With `--encode N/M` a
part of the sentences is encoded and nothing else is done, so that several processes may do it. The same seed gives the same head.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.scoring import exact_match, f1
from engine.calibration import SPAN_TOKENS
from engine.chat_format import Asked as Put
from engine.close_reading import Asking, words_of
from engine.loading.bundled import fetch
from engine.model.reading_head import CloseWeights, ReadingHead, ReadingShape
from engine.opening import Model, open_model
from engine.shared_words import SharedWords
from engine.tokenizer import Tokenizer
from training.close_corpus import CloseTask, Shown, close_tasks
from training.read_corpus import Task
from training.read_encodings import Job, ReadEncodings, Reader, State
from training.read_export import export
from training.read_fit import Level, Material, Settings, fit, read
from training.read_measure import mean, told_apart
from training.read_sources import read_documents, split
from training.reading_head import CHOSEN as LAYERS
from training.reading_head import Console

AMOUNTS = {
    "contracts": 1500,
    "long contracts": 700,
    "wikipedia": 3800,
    "policies": 900,
    "covid": 500,
    "web": 900,
    "agreements": 200,
}
HELD_AMOUNTS = dict.fromkeys(AMOUNTS, 120)
EACH = {"contracts": 12, "long contracts": 12, "wikipedia": 150}
SAMPLED = 20  # one question in so many levels the states


def corpora(tokenizer: Tokenizer, data: Path, seed: int) -> tuple[list[CloseTask], list[CloseTask]]:
    """To train on, and held back: of the documents that the other heads hold back too."""
    found = read_documents(data, random.Random(1))  # noqa: S311 (a sample, no secret)
    _, held = split(found)
    names = {(document.source, document.name) for document in held}
    random_ = random.Random(seed)  # noqa: S311
    train = close_tasks(
        [document for document in found if (document.source, document.name) not in names], AMOUNTS, EACH, random_, tokenizer
    )
    return train, close_tasks(held, HELD_AMOUNTS, {}, random_, tokenizer)


def job_of(tokenizer: Tokenizer, task: CloseTask) -> Job:
    """The question, and the windows that are read after it."""
    windows = [np.asarray(shown.window.body.ids, dtype=np.int32) for shown in task.shown]
    ids = Asking.of(task.wording, tokenizer).ids.astype(np.int32)
    return Job(ids, {str(number): Put(own, 0, len(own)) for number, own in enumerate(windows)})


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tasks whose windows are encoded, as what training.read_fit fits; `shown`: what each of its places is."""

    material: Material
    shown: dict[int, Shown]


def encoded(tokenizer: Tokenizer, encodings: ReadEncodings, tasks: Sequence[CloseTask], level: Level | None = None) -> Encoded:
    """Each window is a place of its own, to which its question alone is put."""
    words = SharedWords(tokenizer)
    made: list[Task] = []
    states: dict[int, State] = {}
    shown: dict[int, Shown] = {}
    marks: dict[int, Tensor] = {}
    sizes: dict[str, int] = {}
    for number, task in enumerate(tasks):
        job = job_of(tokenizer, task)
        if not encodings.has(job):
            continue
        asking, state = Asking.of(task.wording, tokenizer), encodings.load(job)
        state, name, first = (level.levelled(state) if level else state), f"{number} {task.wording}", len(shown)
        sizes[name] = asking.words
        for place, each in enumerate(task.shown, first):
            states[place] = State(state.questions[str(place - first)], {name: state.passage[asking.first :]})
            marks[place] = torch.from_numpy(words.marked(each.window.body.ids, asking.own))
            shown[place] = each
        places = tuple(range(first, len(shown)))
        spans = {place: shown[place].spans for place in places if shown[place].spans}
        made.append(Task(task.source, name, number, places, spans, {place: shown[place].overlap for place in places}))
    headers = {place: each.window.before for place, each in shown.items()}
    return Encoded(Material(made, states, headers, lambda place, _: marks[place], sizes), shown)


@torch.inference_mode()
def table(head: ReadingHead, held: Encoded) -> dict[str, dict[str, float | None]]:
    """Of each source: whether the right sentence is first, by shared words and by the head; what is answered out of it; and how well its
    odds tell questions with an answer from those without."""
    found: dict[str, dict[str, list[float]]] = {}
    for task in held.material.tasks:
        readings = {place: read(head, held.material, task, place) for place in task.passages}
        odds = {place: float(reading.answers) for place, reading in readings.items()}
        row = found.setdefault(task.source, {name: [] for name in ("words @1", "head @1", "EM", "F1", "present", "absent")})
        row["present" if task.spans else "absent"].append(max(odds.values()))
        if task.spans:
            (right,) = task.spans
            window = held.shown[right].window
            golds = [window.words(*span) for span in task.spans[right]]
            said = words_of(readings[right], window, SPAN_TOKENS)
            row["words @1"].append(float(max(task.passages, key=lambda place: task.lexical[place]) == right))
            row["head @1"].append(float(max(odds, key=lambda place: odds[place]) == right))
            row["EM"].append(exact_match(said, golds))
            row["F1"].append(f1(said, golds))
    return {source: figures(row) for source, row in sorted(found.items())}


def figures(row: dict[str, list[float]]) -> dict[str, float | None]:
    shown = {name: mean(row[name]) for name in ("words @1", "head @1", "EM", "F1")}
    counts = {"questions": len(row["present"]), "absent": len(row["absent"])}
    return counts | shown | {"told apart": told_apart(row["present"], row["absent"])}


def main() -> None:
    asked = parser().parse_args()
    model, console = open_model(fetch(), adapter=asked.adapter), Console()
    train, held = corpora(model.tokenizer, asked.data, asked.seed)
    encodings = ReadEncodings(asked.cache, model.fingerprint, LAYERS, lambda: Reader(model.decoder, model.chat.prefix, LAYERS))
    jobs = [job_of(model.tokenizer, task) for task in (*held, *train)]
    encodings.encode(jobs[asked.encode[0] :: asked.encode[1]], console.encoding)
    if asked.encode[1] == 1:
        fit_head(model, encodings, train, held, console, asked)


def fit_head(
    model: Model,
    encodings: ReadEncodings,
    train: Sequence[CloseTask],
    held: Sequence[CloseTask],
    console: Console,
    asked: argparse.Namespace,
) -> None:
    settings = Settings(asked.steps, questions=16, passages=1 + 2, whole=1.0, balance=0.6, shares=dict.fromkeys(("wikipedia",), 1.3))
    sample = encoded(model.tokenizer, encodings, train[::SAMPLED]).material
    level = Level.of([state.passage for state in sample.states.values()])
    material = encoded(model.tokenizer, encodings, train, level).material
    shape = ReadingShape(LAYERS, model.decoder.config.kv_heads * model.decoder.config.head_dim, asked.width, asked.depth)
    told = partial(console.fitting, settings.steps)
    head = level.taken_in(fit(material, shape, settings, told, deadline=time.monotonic() + asked.minutes * 60))
    found = table(head, encoded(model.tokenizer, encodings, held))
    said = {
        "shape": asdict(shape),
        "settings": settings.as_json(),
        "sentences": len(material.states),
        "tokens": sum(len(state.passage) for state in material.states.values()),
        "tasks": Counter(task.source for task in material.tasks),
        "curve (answers, which, words)": console.curve,
        "held back": found,
    }
    export(asked.out, head, model.fingerprint.split()[0], CloseWeights())
    asked.out.with_suffix(".json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def part(text: str) -> tuple[int, int]:
    """ "1/2" -> (0, 2): the first of two."""
    number, parts = map(int, text.split("/"))
    return number - 1, parts


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder of the training data")
    made.add_argument("--minutes", type=float, required=True, help="of fitting, at most")
    made.add_argument("--out", type=Path, required=True)
    made.add_argument("--cache", type=Path, default=Path("var/close-encodings"))
    made.add_argument("--adapter", type=Path, help="of the base model, whose head it is to be; it belongs into its folder then")
    made.add_argument("--steps", type=int, default=3000)
    made.add_argument("--width", type=int, default=192)
    made.add_argument("--depth", type=int, default=2)
    made.add_argument("--seed", type=int, default=7)
    made.add_argument("--encode", type=part, default=(0, 1), metavar="N/M", help="encode part N of M and stop there")
    return made


if __name__ == "__main__":
    main()
