"""Fits close layers to questions and the sentences that they were put to: which sentence answers, whether any does, and with which words.

Knows no text and no file but the one in which it keeps how far it came.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.model.close_layers import CloseReading
from training.close_model import Sheets, TrainedCloseLayers
from training.scan_sources import Span

KEPT_EVERY = 100  # steps
POOL = 600  # questions that are sorted by length together, so that little is padded
Tell = Callable[[int, float, float, tuple[float, float, float]], None]
"""The step, the share of the time or steps that is over, tokens a second, and running losses (answers, which, words)."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A question on its sheet: what goes into the first close layer, bf16 [T, C]; the sentences; and in each the answers that stand in it,
    first and last token counted from the sentence's first."""

    hidden: Tensor
    sentences: tuple[Span, ...]
    spans: tuple[tuple[Span, ...], ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """`rate` is of the low-rank sums, `head_rate` of what stands above; both rise for `warm_up` steps and fall with a cosine to a twentieth
    over the steps or the minutes, whichever end first. `which` and `words`: what these losses weigh beside the first."""

    steps: int
    minutes: float
    tokens: int = 5000
    rate: float = 1e-3
    head_rate: float = 1e-3
    warm_up: int = 40
    which: float = 0.6
    words: float = 1.0
    bf16: bool = True
    seed: int = 1


def fit(model: TrainedCloseLayers, examples: Sequence[Example], settings: Settings, tell: Tell, kept: Path | None = None) -> int:
    """Trains in place, and says after how many steps it ended. With `kept` it goes on from that file where there is one, and leaves one."""
    heads = {name: parameter for name, parameter in model.named_parameters() if not name.startswith("layers.")}
    sums = [parameter for name, parameter in model.named_parameters() if name not in heads and parameter.requires_grad]
    groups = [{"params": sums, "lr": settings.rate}, {"params": list(heads.values()), "lr": settings.head_rate}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)
    step, over = _resumed(model, optimizer, kept)
    began, tokens, running = time.monotonic(), 0, (0.0, 0.0, 0.0)
    for number, batch in enumerate(batches(examples, settings)):
        if number < step:
            continue
        share = max(step / settings.steps, over + (time.monotonic() - began) / 60 / settings.minutes)
        if share >= 1.0:
            break
        for group, rate in zip(optimizer.param_groups, (settings.rate, settings.head_rate), strict=True):
            group["lr"] = rate * scale(step, share, settings.warm_up)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
            readings = model(Sheets.of([each.hidden for each in batch], [each.sentences for each in batch]))
        losses = losses_of(readings, batch)
        total: Any = losses[0] + settings.which * losses[1] + settings.words * losses[2]
        total.backward()
        nn.utils.clip_grad_norm_((*sums, *heads.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step, tokens = step + 1, tokens + sum(len(each.hidden) for each in batch)
        running = _running(running, losses, step)
        if kept and step % KEPT_EVERY == 0:
            _keep(model, optimizer, kept, step, share)
        tell(step, share, tokens / (time.monotonic() - began), running)
    if kept:
        _keep(model, optimizer, kept, step, 1.0)
    return step


def batches(examples: Sequence[Example], settings: Settings) -> Iterator[list[Example]]:
    """Without end, of so many tokens with what is padded; each question once before any comes again."""
    random_ = random.Random(settings.seed)  # noqa: S311 (an order, no secret)
    while True:
        order = random_.sample(examples, len(examples))
        for first in range(0, len(order), POOL):
            made: list[list[Example]] = [[]]
            for example in sorted(order[first : first + POOL], key=lambda each: len(each.hidden)):
                if made[-1] and (len(made[-1]) + 1) * len(example.hidden) > settings.tokens:
                    made.append([])
                made[-1].append(example)
            random_.shuffle(made)
            yield from made


def losses_of(readings: Sequence[Sequence[CloseReading]], examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Answers: of each sentence, whether it does. Which: where one does, that it is chosen among those beside it. Words: in one that does,
    from where to where the answer goes. Each a mean, in nats."""
    answers, which, words = [], [], []
    for found, example in zip(readings, examples, strict=True):
        odds = torch.stack([reading.answers for reading in found])
        right = torch.tensor([bool(spans) for spans in example.spans])
        answers.append(functional.binary_cross_entropy_with_logits(odds, right.float()))
        if right.any():
            which.append(odds.logsumexp(0) - odds[right].logsumexp(0))
        for reading, spans in zip(found, example.spans, strict=True):
            if spans:
                words.append(nats(reading.spans, spans))
    return tuple(torch.stack(each).mean() if each else torch.zeros(()) for each in (answers, which, words))  # type: ignore[return-value]


def nats(spans: Tensor, right: Sequence[Span]) -> Tensor:
    """Of spans [N, N], log-probabilities, of which any in `right` will do; a place behind the last token is the last."""
    last = len(spans) - 1
    starts, ends = zip(*{(min(first, last), min(end, last)) for first, end in right}, strict=True)
    return -spans[list(starts), list(ends)].logsumexp(0)


def scale(step: int, share: float, warm_up: int) -> float:
    """What the rates are multiplied by."""
    return min(1.0, (step + 1) / warm_up) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))


def _running(before: tuple[float, float, float], losses: Sequence[Tensor], step: int) -> tuple[float, float, float]:
    keep = min(0.95, 1 - 1 / step)
    a, b, c = (keep * old + (1 - keep) * float(loss.detach()) for old, loss in zip(before, losses, strict=True))
    return a, b, c


def _keep(model: nn.Module, optimizer: torch.optim.Optimizer, kept: Path, step: int, over: float) -> None:
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "over": over}, kept.with_suffix(".part"))
    kept.with_suffix(".part").replace(kept)


def _resumed(model: nn.Module, optimizer: torch.optim.Optimizer, kept: Path | None) -> tuple[int, float]:
    if kept is None or not kept.is_file():
        return 0, 0.0
    found = torch.load(kept, weights_only=True)
    model.load_state_dict(found["model"])
    optimizer.load_state_dict(found["optimizer"])
    return int(found["step"]), float(found["over"])
