"""Goes on fitting a scan head from a fitted one: each question told from every passage of its document.

A batch of training.scan_fit shows a question a few wrong passages of its document, here it sees all that are encoded, right ones together
against the rest. Queries alone may go on, so that what was indexed with the keys stays, or both. Knows no files.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from training.scan_corpus import Asked
from training.scan_fit import Head, Material, rate_at, scores


@dataclass(frozen=True, slots=True)
class Settings:
    """`documents` of a step, each with so many `questions` at most. `balance`: a source is drawn with its share of the documents to this
    power. `key_rate` 0: the queries alone."""

    steps: int = 1200
    documents: int = 3
    questions: int = 9
    rate: float = 4.8e-4
    key_rate: float = 0.0
    scale_rate: float = 1e-3
    dropout: float = 0.1
    balance: float = 0.5
    seed: int = 1

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def refit(
    material: Material,
    first: Head,
    settings: Settings,
    tell: Callable[[int, float, float], None],
    deadline: float | None = None,
) -> Head:
    """A head, the same for the same seed unless `deadline` (time.monotonic) ends it; `first` stays as it is. `tell`: step, loss, steps a
    second."""
    random_ = random.Random(settings.seed)  # noqa: S311 (a sample, no secret)
    torch.manual_seed(settings.seed)
    head = deepcopy(first)
    rates = {head.query: settings.rate, head.key: settings.key_rate, head.scale: settings.scale_rate}
    head.key.requires_grad_(bool(settings.key_rate))
    optimiser = torch.optim.Adam([{"params": [part], "lr": rate} for part, rate in rates.items() if rate])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_at(step / settings.steps))
    draw = Draw(material, settings, random_)
    started, mean = time.perf_counter(), 0.0
    for step in range(settings.steps):
        total = 0.0
        for drawn in draw.step():
            loss = document_loss(material, head, drawn, settings, random_) / settings.documents
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        mean = total if not step else 0.97 * mean + 0.03 * total
        tell(step + 1, mean, (step + 1) / (time.perf_counter() - started))
        if deadline is not None and time.monotonic() > deadline:
            break
    return head.eval()


@dataclass(frozen=True, slots=True)
class Draw:
    """Documents drawn by source, each with some of its questions."""

    material: Material
    settings: Settings
    random_: random.Random
    _documents: dict[str, dict[int, list[Asked]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for asked in self.material.asked():
            self._documents.setdefault(asked.source, {}).setdefault(asked.document, []).append(asked)

    def step(self) -> list[list[Asked]]:
        sources = list(self._documents)
        weights = [len(self._documents[source]) ** self.settings.balance for source in sources]
        drawn = self.random_.choices(sources, weights, k=self.settings.documents)
        return [self._some(self.random_.choice(list(self._documents[source].values()))) for source in drawn]

    def _some(self, asked: Sequence[Asked]) -> list[Asked]:
        return self.random_.sample(asked, min(len(asked), self.settings.questions))


def document_loss(material: Material, head: Head, drawn: Sequence[Asked], settings: Settings, random_: random.Random) -> Tensor:
    """Of one document's questions: how unlikely it is that one of the right passages is taken out of all."""
    places = told_from(material, drawn)
    column = {place: number for number, place in enumerate(places)}
    keys, sizes = material.keys_of(head, places, [False] * len(places))
    hidden = [material.question(random_.choice(asked.wordings)) for asked in drawn]
    queries = head.queries(functional.dropout(torch.cat(hidden).float(), settings.dropout))
    logs = torch.log_softmax(scores(queries, [len(own) for own in hidden], keys, sizes) * head.scale.exp(), 1)
    right = [torch.tensor([column[place] for place in sorted(asked.right) if place in column]) for asked in drawn]
    return torch.stack([-torch.logsumexp(own[places], 0) for own, places in zip(logs, right, strict=True)]).mean()


def told_from(material: Material, drawn: Sequence[Asked]) -> list[int]:
    """Passages that are encoded: of a document that is asked alone all, of others the right ones and those that share words."""
    if drawn[0].closed:
        return [place for place in drawn[0].candidates if place in material.place]
    return sorted({place for asked in drawn for place in (*asked.right, *asked.lexical) if place in material.place})
