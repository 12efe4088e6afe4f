"""Trains the bundled model's scan head: `python -m training.scan_head --data FOLDER --minutes N --out FILE`.

The trunk is frozen. First what is not in the cache yet is encoded (half of the time at most; run it again to go on), then the two
projections are fitted, and measured on documents that were held back: they also give the weights of BM25 and scan. FILE gets the head
(safetensors), and the run's settings, curve and figures beside it (.json). The same seed over the same encodings gives the same head.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from engine.chat_format import ChatFormat
from engine.loading.bundled import fetch
from engine.loading.scan_head import read_scan_head
from engine.opening import Model, open_model
from training import scan_refit
from training.progress_line import ProgressLine
from training.read_sources import front, named, read_documents, split
from training.scan_corpus import Corpus, corpus, needed
from training.scan_encodings import Encodings, Texts, Trunk
from training.scan_export import export
from training.scan_fit import Head, Material, Settings, fit
from training.scan_measure import fusion, outcomes, table
from training.scan_sources import Document

LAYERS = (15, 19, 21)
CHOSEN = LAYERS
WHOLE = {
    "contracts",
    "long contracts",
    "longest contracts",
    "agreements",
}  # of which every passage is encoded, so that a head can be told from its own mistakes
WRONG = 1  # passages of the others that are encoded beside the right ones of a question
NOTHING = np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Ready:
    """A corpus, which of its passages are encoded, and the texts of those and of its wordings."""

    corpus: Corpus
    places: list[int]
    wordings: list[str]
    passages: Texts
    questions: Texts

    def front(self, passages: int) -> Ready:
        """The same with the first so many passages alone."""
        return replace(self, places=self.places[:passages], passages=replace(self.passages, ids=self.passages.ids[:passages]))

    def material(self, encodings: Encodings, layers: Sequence[int]) -> Material:
        return Material(
            self.corpus,
            encodings.load(self.passages, layers),
            {place: row for row, place in enumerate(self.places)},
            encodings.load(self.questions, layers),
            {wording: row for row, wording in enumerate(self.wordings)},
        )


def ready(chat: ChatFormat, made: Corpus, places: list[int]) -> Ready:
    """A question is encoded as it is put to a chunk: what opens it goes before, its words and what opens the answer are kept."""
    wordings = list(dict.fromkeys(wording for asked in made.asked for wording in asked.wordings))
    put = [chat.ask(wording) for wording in wordings]
    before = put[0].ids[: put[0].first]
    passages = Texts([made.passages[place].ids for place in places], NOTHING)
    return Ready(made, places, wordings, passages, Texts([asked.ids[asked.first :] for asked in put], before))


def with_seen_wordings(document: Document) -> Document:
    """Each question without its first wording, which is the one that held-back documents are asked with, if it has others."""
    questions = (replace(question, wordings=question.wordings[1:] or question.wordings) for question in document.questions)
    return replace(document, questions=tuple(questions))


def corpora(model: Model, data: Path, seed: int, only: Mapping[str, float]) -> tuple[Ready, Ready]:
    """What is trained on, `only` as of training.read_sources.front, and all passages of what is held back."""
    random_ = random.Random(seed)  # noqa: S311 (a sample, no secret)
    train, held = split(read_documents(data, random_))
    train = sorted(map(with_seen_wordings, front(train, only)), key=lambda document: document.source)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        made, kept = corpus(model.tokenizer, train, Path(one)), corpus(model.tokenizer, held, Path(other))
    return ready(model.chat, made, needed(made, WRONG, random_, WHOLE)), ready(model.chat, kept, list(range(len(kept.passages))))


class Console:
    """Progress on stderr, and the curve."""

    def __init__(self) -> None:
        self._line = ProgressLine()
        self.curve: list[tuple[int, float]] = []

    def encoding(self, done: int, total: int, rate: float) -> None:
        self._line.tokens("encoding", done, total, rate)

    def fitting(self, steps: int, step: int, loss: float, rate: float) -> None:
        if step % 50 == 0:
            self.curve.append((step, round(loss, 4)))
        self._line.show(
            f"fitting: step {step} of {steps}, loss {loss:.3f}, {rate:.1f} a second, {(steps - step) / rate / 60:.1f} min left",
            last=step == steps,
        )


def begun(model: Model, path: Path) -> Head:
    """The head of that file, to go on from."""
    head = read_scan_head(model.fingerprint.split()[0], model.decoder.config, path=path)
    if head is None or head.layers != LAYERS:
        sys.exit(f"{path} is no scan head of the bundled model over layers {LAYERS}.")
    return Head(head.query, head.key, weighted=head.weighted)


def encode(encodings: Encodings, train: Ready, held: Ready, console: Console, deadline: float) -> Ready:
    """Everything that is missing; of the passages to train on, as many as there is time for."""
    for texts in (held.questions, held.passages, train.questions):
        encodings.encode(texts, console.encoding)
    return train.front(encodings.encode(train.passages, console.encoding, deadline))


def fitted(
    asked: argparse.Namespace, model: Model, material: Material, console: Console, deadline: float
) -> tuple[Head, dict[str, object]]:
    """The head, from nothing or from where `--begin` says, and its settings."""
    rate = {"rate": asked.rate} if asked.rate else {}
    tell = partial(console.fitting, asked.steps)
    if asked.begin is None:
        settings = Settings(steps=asked.steps, seed=asked.seed, **rate)
        return fit(material, settings, tell, deadline), settings.as_json()
    first, further = begun(model, asked.begin), scan_refit.Settings(steps=asked.steps, seed=asked.seed, key_rate=asked.key_rate, **rate)
    head = scan_refit.refit(material, first, further, tell, deadline)
    for part, was in ((head.query, first.query), (head.key, first.key)):
        part.data.lerp_(was.data, 1 - asked.part)
    return head, further.as_json() | {"part": asked.part}


def main() -> None:
    asked = parser().parse_args()
    began, console = time.monotonic(), Console()
    model = open_model(fetch(), adapter=asked.adapter)
    encodings = Encodings(asked.cache, model.fingerprint, LAYERS, lambda: Trunk(model.decoder, model.chat.prefix, LAYERS))
    train, held = corpora(model, asked.data, asked.seed, dict(asked.only))
    train = encode(encodings, train, held, console, began + asked.minutes * 30)
    material, apart = train.material(encodings, asked.layers), held.material(encodings, asked.layers)
    head, settings = fitted(asked, model, material, console, began + asked.minutes * 60)
    seen = outcomes(apart, head)
    weights = fusion(seen)
    figures = {
        "layers": asked.layers,
        "settings": settings,
        "passages": len(train.places),
        "tokens": train.passages.tokens,
        "questions": len(material.asked()),
        "curve": console.curve,
        "weights of BM25 and scan": weights,
        "held back": table(seen, weights),
    }
    export(asked.out, head, asked.layers, model.fingerprint.split()[0])
    asked.out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures["held back"], indent=1))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder of the training data")
    made.add_argument("--minutes", type=float, required=True)
    made.add_argument("--out", type=Path, required=True)
    made.add_argument("--cache", type=Path, default=Path("var/scan-encodings"))
    made.add_argument("--layers", type=int, nargs="+", choices=LAYERS, default=CHOSEN)
    made.add_argument("--begin", type=Path, help="a head's file to go on from; its queries alone, so that what was indexed with it stays")
    made.add_argument("--key-rate", type=float, default=0.0, help="rate of the keys of a head that goes on: all is indexed anew then")
    made.add_argument("--part", type=float, default=0.7, help="how much of the way from that head to the fitted one is taken")
    made.add_argument("--steps", type=int, default=900)
    made.add_argument("--only", type=named, action="append", default=[], help="SOURCE=NUMBER: so many documents of it, and none of others")
    made.add_argument("--rate", type=float, help="of the fit, instead of the settings' own")
    made.add_argument("--adapter", type=Path, help="of the base model, whose head it is to be; it belongs into its folder then")
    made.add_argument("--seed", type=int, default=1)
    return made


if __name__ == "__main__":
    main()
