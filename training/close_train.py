"""Trains the bundled model's close layers: `python -m training.close_train --data FOLDER --minutes N --out FILE`.

Questions are put to sheets of sentences as `engine.close_reading` puts them, and the model's lower layers, which stay as they are, read
them once. Then low-rank sums for the close layers are fitted, and measured on documents that were held back. FILE gets them (safetensors),
without weights until `python -m training.close_calibrate` has fitted them, and the run's settings, curve and figures beside it (.json).
The same command goes on where it stopped. The same seed gives the same sheets in the same order.

With `--encodings`, the cache of `python -m training.reading_head`, the questions encoded there are put to the sentences that the bundled
reading head likes best, which are those that the engine shows to close layers. `--begin` goes on from layers that were trained before.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch

from bench.scoring import exact_match, f1
from engine.close_reading import Sheet, words_of
from engine.close_way import CloseWay
from engine.loading.bundled import fetch
from engine.loading.load import load_model
from engine.model.close_layers import CloseShape, CloseWeights
from engine.opening import Model, open_model
from engine.tokenizer import Tokenizer
from training.close_candidates import liked_tasks
from training.close_corpus import CloseTask, close_tasks
from training.close_export import export, exported
from training.close_fit import Example, Settings, fit
from training.close_model import Sheets, TrainedCloseLayers
from training.close_states import lower_states
from training.progress_line import ProgressLine
from training.read_candidates import Candidates
from training.read_encodings import ReadEncodings, Reader
from training.read_measure import mean, told_apart
from training.read_sources import front, named, read_documents, split
from training.reading_head import LAYERS
from training.reading_head import corpora as reading_corpora
from training.scan_sources import posts

SHAPE = CloseShape(first=12, count=12)
AMOUNTS = {
    "contracts": 2600,
    "long contracts": 1100,
    "longest contracts": 600,
    "wikipedia": 5200,
    "policies": 1300,
    "covid": 500,
    "web": 1500,
    "agreements": 400,
}
POSTS = ("reddit", "reviews")
POST_QUESTIONS = 10_000  # of each
WRONG_IN_POSTS = 1  # they are for the words of the answer
HELD_AMOUNTS = dict.fromkeys(AMOUNTS, 120)
EACH = {"contracts": 14, "long contracts": 12, "longest contracts": 16, "wikipedia": 200}
NAMES = ("words @1", "close @1", "EM", "F1")


def corpora(
    tokenizer: Tokenizer, data: Path, seed: int, only: Mapping[str, float], *, posts_too: bool = False
) -> tuple[list[CloseTask], list[CloseTask]]:
    """To train on, `only` as of training.read_sources.front, and held back: of the documents that the heads hold back too."""
    found = read_documents(data, random.Random(1))  # noqa: S311 (a sample, no secret)
    _, held = split(found)
    names = {(document.source, document.name) for document in held}
    random_ = random.Random(seed)  # noqa: S311
    others = front([document for document in found if (document.source, document.name) not in names], only)
    train, apart = close_tasks(others, AMOUNTS, EACH, random_, tokenizer), close_tasks(held, HELD_AMOUNTS, {}, random_, tokenizer)
    if posts_too:
        further = [document for source in POSTS for document in posts(data / f"{source}.jsonl.gz", source, random_)]
        train += close_tasks(further, dict.fromkeys(POSTS, POST_QUESTIONS), {}, random_, tokenizer, dict.fromkeys(POSTS, WRONG_IN_POSTS))
    return train, apart


def liked(model: Model, data: Path, cache: Path, seed: int, only: Mapping[str, float], most: int, console: Console) -> list[CloseTask]:
    """Of what is encoded to train the reading head on, and is whole, `most` questions: drawn first, for the head reads all of them."""
    assert model.reading is not None, "the bundled model has a reading head"
    train, _ = reading_corpora(model, data, 1, Candidates(model, cache / "candidates", console.locating), only=only)
    encodings = ReadEncodings(cache, model.fingerprint, LAYERS, lambda: Reader(model.decoder, model.chat.prefix, LAYERS))
    material = train.material(encodings, model.tokenizer, model.reading.shape.layers)
    random_ = random.Random(seed)  # noqa: S311
    drawn = replace(material, tasks=random_.sample(material.tasks, min(len(material.tasks), most)))
    return list(liked_tasks(model.reading, drawn, partial(train.body, model.tokenizer), model.tokenizer, random_))


def examples(model: Model, shape: CloseShape, tasks: Sequence[CloseTask], folder: Path, console: Console) -> list[Example]:
    """The tasks on their sheets, with what the lower layers make of them."""
    opening = int(model.chat.prefix[0])
    sheets = [Sheet.of(task.wording, [shown.window for shown in task.shown], model.tokenizer, opening) for task in tasks]
    states = lower_states(model.decoder, model.fingerprint, shape.first, sheets, folder, console.reading)
    return [
        Example(state, sheet.sentences, tuple(shown.spans for shown in task.shown))
        for state, sheet, task in zip(states, sheets, tasks, strict=True)
    ]


@torch.inference_mode()
def table(model: TrainedCloseLayers, tasks: Sequence[CloseTask], held: Sequence[Example]) -> dict[str, dict[str, float | None]]:
    """Of each source: whether the right sentence is first, by shared words and by the close layers; what is answered out of it; and how
    well the best sentence's odds tell questions with an answer from those without."""
    found: dict[str, dict[str, list[float]]] = {}
    for task, example in zip(tasks, held, strict=True):
        (readings,) = model(Sheets.of([example.hidden], [example.sentences]))
        odds = [float(reading.answers) for reading in readings]
        row = found.setdefault(task.source, {name: [] for name in (*NAMES, "present", "absent")})
        right = [number for number, shown in enumerate(task.shown) if shown.spans]
        row["present" if right else "absent"].append(max(odds))
        if right:
            shown = task.shown[right[0]]
            golds = [shown.window.words(*span) for span in shown.spans]
            said = words_of(readings[right[0]], shown.window, CloseWay.longest)
            row["words @1"].append(float(max(range(len(odds)), key=lambda number: task.shown[number].overlap) in right))
            row["close @1"].append(float(max(range(len(odds)), key=lambda number: odds[number]) in right))
            row["EM"].append(exact_match(said, golds))
            row["F1"].append(f1(said, golds))
    return {source: figures(row) for source, row in sorted(found.items())}


def figures(row: dict[str, list[float]]) -> dict[str, float | None]:
    counts = {"questions": len(row["present"]), "absent": len(row["absent"])}
    return counts | {name: mean(row[name]) for name in NAMES} | {"told apart": told_apart(row["present"], row["absent"])}


class Console:
    """Progress on stderr, and the curve."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._line = settings, ProgressLine()
        self.curve: list[tuple[int, list[float]]] = []

    def reading(self, done: int, total: int, rate: float) -> None:
        self._line.tokens("reading", done, total, rate)

    def locating(self, name: str, characters: int) -> None:
        self._line.show(f"locating: {name} of {characters:,} characters")

    def fitting(self, step: int, share: float, rate: float, losses: Sequence[float]) -> None:
        if step % 20 == 0:
            self.curve.append((step, [round(loss, 4) for loss in losses]))
        shown, left = " ".join(f"{loss:.3f}" for loss in losses), (1 - share) * self._settings.minutes
        self._line.show(f"fitting: step {step}, loss {shown}, {rate:,.0f} tokens a second, {left:.1f} min left at most")


def main() -> None:
    asked = parser().parse_args()
    torch.manual_seed(asked.seed)
    settings = Settings(asked.steps, asked.minutes, asked.tokens, asked.rate, seed=asked.seed)
    only = dict(asked.only)
    opened, console = open_model(fetch(), adapter=asked.adapter), Console(settings)
    train, held = corpora(opened.tokenizer, asked.data, asked.seed, only, posts_too=asked.posts)
    if asked.encodings:
        train += liked(opened, asked.data, asked.encodings, asked.seed, only, asked.liked, console)
    shown, apart = (examples(opened, SHAPE, tasks, asked.cache, console) for tasks in (train, held))
    loaded = load_model(fetch(), dtype=torch.float32, adapter=asked.adapter)
    model = TrainedCloseLayers(SHAPE, loaded.config, loaded.decoder, asked.rank)
    if asked.begin:
        model.load_state_dict(exported(asked.begin, opened.fingerprint.split()[0]), strict=False)
    steps = fit(model, shown, settings, console.fitting, asked.out.with_suffix(".pt"))
    found = table(model, held, apart)
    said = {
        "shape": asdict(SHAPE),
        "rank": asked.rank,
        "settings": asdict(settings),
        "steps": steps,
        "tasks": Counter(task.source for task in train),
        "tokens": sum(len(example.hidden) for example in shown),
        "curve (answers, which, words)": console.curve,
        "held back": found,
    }
    export(asked.out, SHAPE, model.own(), CloseWeights(), opened.fingerprint.split()[0])
    asked.out.with_suffix(".json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder of the training data")
    made.add_argument("--minutes", type=float, required=True, help="of fitting, at most, over all runs of this command")
    made.add_argument("--out", type=Path, required=True)
    made.add_argument("--cache", type=Path, default=Path("var/close-states"))
    made.add_argument("--encodings", type=Path, help="cache of training.reading_head: its questions too, put to what the head likes best")
    made.add_argument("--liked", type=int, default=12_000, help="of those so many at most")
    made.add_argument(
        "--posts", action="store_true", help="questions about posts and reviews too, whose terms are unclear (docs/model-card.md)"
    )
    made.add_argument("--begin", type=Path, help="file of close layers to begin with")
    made.add_argument("--adapter", type=Path, help="of the base model, whose close layers they are to be; they belong into its folder then")
    made.add_argument("--only", type=named, action="append", default=[], help="SOURCE=NUMBER: so many documents of it, and none of others")
    made.add_argument("--steps", type=int, default=3000)
    made.add_argument("--tokens", type=int, default=5000, help="of a step")
    made.add_argument("--rank", type=int, default=32)
    made.add_argument("--rate", type=float, default=1e-3)
    made.add_argument("--seed", type=int, default=7)
    return made


if __name__ == "__main__":
    main()
