"""Trains the bundled model's reading head: `python -m training.reading_head --data FOLDER --minutes N --out FILE`.

The model is frozen. First the engine locates, as it stands, what each question is put to; what is not in the cache yet is encoded (half
of the time at most; run it again to go on); then the head is fitted, and measured on documents that were held back. A fit that was stopped
goes on where it was kept last. FILE gets the head (safetensors), and the run's settings, curve and figures beside it (.json). The same seed
over the same encodings gives the same head.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from engine.chat_format import ChatFormat
from engine.loading.bundled import fetch
from engine.loading.reading_head import read_reading_head
from engine.model.reading_head import ReadingShape
from engine.opening import Model, open_model
from engine.shared_words import SharedWords
from engine.span import Body
from engine.tokenizer import Tokenizer
from training.progress_line import ProgressLine
from training.read_candidates import Candidates
from training.read_corpus import Alike, Amounts, ReadCorpus, questions_of, read_corpus
from training.read_encodings import Job, ReadEncodings, Reader
from training.read_export import export
from training.read_fit import Level, Material, Progress, Settings, fit
from training.read_measure import outcomes, table
from training.read_sources import front, named, read_documents, split

LAYERS = (9, 12, 15, 17, 19, 21, 23, 25, 27, 29)
CHOSEN = (12, 15, 19, 21, 23, 27)
AMOUNTS = Amounts(present=400, absent=12, wordings=2, alike=3, by_words=2, others=0)
HELD_AMOUNTS = Amounts(present=16, absent=8, alike=4)
KEEP_EVERY = 50
# Of the time, how much goes into encoding.
SHARES = {"first": 0.5, "only": 1.0, "none": 0.0}


@dataclass(frozen=True, slots=True)
class Ready:
    """A corpus and what has to be encoded for it: of each passage, by its number, the questions that are put to it."""

    corpus: ReadCorpus
    jobs: dict[int, Job]

    def encoded(self, encodings: ReadEncodings) -> dict[int, Job]:
        return {place: job for place, job in self.jobs.items() if encodings.has(job)}

    def material(
        self,
        encodings: ReadEncodings,
        tokenizer: Tokenizer,
        layers: Sequence[int],
        level: Level | None = None,
    ) -> Material:
        """Tasks of which not all passages are encoded are left out. States are levelled if so said."""
        jobs = self.encoded(encodings)
        tasks = [task for task in self.corpus.tasks if all(place in jobs for place in task.passages)]
        words, passages = SharedWords(tokenizer), self.corpus.passages

        @cache
        def shared(place: int, wording: str) -> Tensor:
            put = jobs[place].questions[wording]
            return torch.from_numpy(words.marked(passages[place].ids, put.ids[put.first : put.end]))

        states = {place: encodings.load(job, layers) for place, job in jobs.items()}
        if level is not None:
            states = {place: level.levelled(state) for place, state in states.items()}
        sizes = {wording: put.end - put.first for job in jobs.values() for wording, put in job.questions.items()}
        return Material(tasks, states, {place: passages[place].header_tokens for place in jobs}, shared, sizes)

    def body(self, tokenizer: Tokenizer, place: int) -> Body:
        return self.corpus.body(place, tokenizer)


def ready(chat: ChatFormat, corpus: ReadCorpus) -> Ready:
    """Jobs in the documents' order."""
    return Ready(corpus, {place: Job(corpus.passages[place].ids, asked) for place, asked in questions_of(chat, corpus).items()})


def corpora(
    model: Model, data: Path, seed: int, alike: Alike, *, only: Mapping[str, float] = MappingProxyType({}), backwards: bool = False
) -> tuple[Ready, Ready]:
    """What is trained on, `only` as of training.read_sources.front, and what is held back, both in the documents' order, or the first from
    its end."""
    train, held = split(read_documents(data, random.Random(seed)))  # noqa: S311 (a sample, no secret)
    train = front(train, only)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        apart = read_corpus(model.tokenizer, held, HELD_AMOUNTS, seed, Path(other), alike)
        made = read_corpus(model.tokenizer, train[::-1] if backwards else train, AMOUNTS, seed, Path(one), alike)
    return ready(model.chat, made), ready(model.chat, apart)


class Console:
    """Progress on stderr, and the curve."""

    def __init__(self) -> None:
        self._line = ProgressLine()
        self._documents = 0
        self.curve: list[tuple[int, list[float]]] = []

    def located(self, name: str, characters: int) -> None:
        self._documents += 1
        self._line.show(f"locating: {self._documents} documents, now {name} of {characters:,} characters")

    def encoding(self, done: int, total: int, rate: float) -> None:
        self._line.tokens("encoding", done, total, rate)

    def fitting(self, steps: int, step: int, losses: Sequence[float], rate: float, speed: float) -> None:
        if step % 50 == 0:
            self.curve.append((step, [round(loss, 4) for loss in losses]))
        shown = " ".join(f"{loss:.3f}" for loss in losses)
        self._line.show(
            f"fitting: step {step} of {steps}, loss {shown}, rate {rate:.1e}, {(steps - step) / speed / 60:.1f} min left",
            last=step == steps,
        )


def resumed(path: Path, settings: Settings) -> Progress | None:
    """What was kept of a fit with these settings."""
    if not path.is_file():
        return None
    kept: tuple[Settings, Progress] = torch.load(path, weights_only=False)
    return kept[1] if kept[0] == settings else None


def keep(path: Path, settings: Settings, progress: Progress) -> None:
    temporary = path.with_suffix(".part")
    torch.save((settings, progress), temporary)
    temporary.replace(path)


def main() -> None:
    asked = parser().parse_args()
    began, console = time.monotonic(), Console()
    settings = Settings(steps=asked.steps, rate=asked.rate, shares=dict(asked.share), seed=asked.seed)
    model = open_model(fetch(), adapter=asked.adapter)
    alike = Candidates(model, asked.cache / "candidates", console.located)
    train, held = corpora(model, asked.data, asked.seed, alike, only=dict(asked.only), backwards=asked.backwards)
    encodings = ReadEncodings(asked.cache, model.fingerprint, LAYERS, lambda: Reader(model.decoder, model.chat.prefix, LAYERS))
    encodings.encode(list(held.jobs.values()), console.encoding)
    encodings.encode(list(train.jobs.values()), console.encoding, began + asked.minutes * 60 * SHARES[asked.encode])
    if asked.encode == "only":
        return
    shape = ReadingShape(tuple(asked.layers), model.decoder.config.kv_heads * model.decoder.config.head_dim, asked.width, asked.depth)
    first, level = None, None
    if asked.begin:
        begun = read_reading_head(model.fingerprint.split()[0], model.decoder.config, path=asked.begin)
        if begun is None or begun.shape != shape:
            sys.exit(f"{asked.begin} is no reading head of this shape for the bundled model.")
        first, level = Level.left_out(begun)
    there = train.encoded(encodings)
    sample = list(there.values())[::8]
    level = level or Level.of([encodings.load(job, shape.layers).passage for job in sample])
    material = train.material(encodings, model.tokenizer, shape.layers, level)
    progress = asked.out.with_suffix(".progress")
    head = fit(
        material,
        shape,
        settings,
        partial(console.fitting, settings.steps),
        first=first,
        deadline=began + asked.minutes * 60,
        start=resumed(progress, settings),
        keep=partial(keep, progress, settings),
        every=KEEP_EVERY,
    )
    head = level.taken_in(head)
    apart = held.material(encodings, model.tokenizer, shape.layers)
    found = table(outcomes(apart, head, partial(held.body, model.tokenizer)))
    figures = {
        "shape": asdict(shape),
        "settings": settings.as_json(),
        "passages": len(there),
        "tokens": sum(job.tokens for job in there.values()),
        "tasks": Counter(task.source for task in material.tasks),
        "curve (answers, which, words)": console.curve,
        "held back": found,
    }
    export(asked.out, head, model.fingerprint.split()[0])
    asked.out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder of the training data")
    made.add_argument("--minutes", type=float, required=True)
    made.add_argument("--out", type=Path, required=True)
    made.add_argument("--cache", type=Path, default=Path("var/read-encodings"))
    made.add_argument("--adapter", type=Path, help="of the base model, whose head it is to be; it belongs into its folder then")
    made.add_argument("--begin", type=Path, help="a head's file to begin with, fitted on less")
    made.add_argument("--backwards", action="store_true", help="begin with the documents that a fit cut short by its minutes never came to")
    made.add_argument("--steps", type=int, default=2000)
    made.add_argument("--rate", type=float, default=1e-3)
    made.add_argument("--only", type=named, action="append", default=[], help="SOURCE=NUMBER: so many documents of it, and none of others")
    made.add_argument("--share", type=named, action="append", default=[], help="SOURCE=NUMBER: draw this source so many times as often")
    made.add_argument("--layers", type=int, nargs="+", choices=LAYERS, default=CHOSEN)
    made.add_argument("--width", type=int, default=192)
    made.add_argument("--depth", type=int, default=2)
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--encode", choices=SHARES, default="first", help="only: leave the fit for another run; none: fit on what is encoded")
    return made


if __name__ == "__main__":
    main()
