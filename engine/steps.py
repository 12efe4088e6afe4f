"""Work that needs the model, written as steps: a generator that says what it wants of the model and gets it back.

So nothing but `execute` calls the decoder, and whoever drives the steps decides what else goes into the same pass: `engine.scheduler`
packs the requests of all answers together, `run` and `stream` drive one piece of work alone. Knows no thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor

from engine.cache.kv_cache import KVCache
from engine.model.attention import Segment
from engine.model.decoder import Decoder

E = TypeVar("E")
T = TypeVar("T")
NO_ROWS = range(0)


@dataclass(frozen=True, slots=True)
class Features:
    """An image's vectors [n, C] and the numbers [n], ascending, of the tokens that they stand for."""

    vectors: Tensor
    tokens: Tensor

    def part(self, first: int, end: int) -> Features | None:
        """Those of tokens first..end, numbered from first; None if there are none."""
        inside = (self.tokens >= first) & (self.tokens < end)
        return Features(self.vectors[inside], self.tokens[inside] - first) if inside.any() else None


@dataclass(frozen=True, slots=True)
class Forward:
    """One request to the model: new token ids [t], at least one, that continue a cache, and of which of them (`rows`) the logits are
    wanted. `features` stand for the patch tokens among the ids.

    With `inputs` it is the inputs of those layers, side by side [rows, layers * C], that are wanted and not logits, `normed` or as they
    are: only the layers below the last of them run, and the cache is one of those alone (Decoder.new_cache)."""

    ids: Tensor
    cache: KVCache
    rows: range = NO_ROWS
    features: Features | None = None
    inputs: tuple[int, ...] = ()
    normed: bool = True

    def part(self, first: int, end: int) -> Forward:
        """The request for tokens first..end only; parts are made in order, each after the one before."""
        rows = range(max(self.rows.start, first) - first, min(self.rows.stop, end) - first)
        features = self.features.part(first, end) if self.features is not None else None
        return Forward(self.ids[first:end], self.cache, rows or NO_ROWS, features, self.inputs, self.normed)


Forwards: TypeAlias = tuple[Forward, ...]
Answers: TypeAlias = list[Tensor]
"""To each request its rows: logits fp32 [rows, V], or the inputs of some layers [rows, layers * C]."""

Steps: TypeAlias = Generator[Forwards, Answers, T]
"""Asks for some passes at once, each on a cache of its own; gets the logits of each, fp32 [rows, V]; ends with a result."""
Telling: TypeAlias = Generator[Forwards | E, Answers, T]
"""Steps that tell their caller events on the way. What an event's yield gives back says nothing."""


def forward(ids: Tensor, cache: KVCache, rows: range = NO_ROWS) -> Steps[Tensor]:
    """One pass alone: the logits of the wanted rows, fp32 [rows, V]."""
    (logits,) = yield (Forward(ids, cache, rows),)
    return logits


def inputs_of(layers: tuple[int, ...], ids: Tensor, cache: KVCache, rows: range = NO_ROWS, *, normed: bool = True) -> Steps[Tensor]:
    """One pass alone through the layers below the last of `layers`: their inputs of the wanted rows [rows, layers * C]."""
    (hidden,) = yield (Forward(ids, cache, rows, inputs=layers, normed=normed),)
    return hidden


def heard(steps: Telling[E, T], hear: Callable[[E], None]) -> Telling[E, T]:
    """The same steps; `hear` is told of each event just before the caller."""
    with closing(steps):
        try:
            step = next(steps)
            while True:
                if not isinstance(step, tuple):
                    hear(step)
                try:
                    answers = yield step
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answers)
        except StopIteration as end:
            result: T = end.value
            return result


def execute(decoder: Decoder, forwards: Sequence[Forward]) -> Answers:
    """What each asks for; those of one depth go in one pass of the model."""
    answers: dict[int, Tensor] = {}
    for group in by_depth(forwards):
        answers.update(zip(group, _execute(decoder, [forwards[number] for number in group]), strict=True))
    return [answers[number] for number in range(len(forwards))]


def by_depth(forwards: Sequence[Forward]) -> list[list[int]]:
    """The requests' numbers by what can go in one pass: the layers that they go through, and what is wanted of them."""
    depths: dict[tuple[tuple[int, ...], bool], list[int]] = {}
    for number, asked in enumerate(forwards):
        depths.setdefault((asked.inputs, asked.normed), []).append(number)
    return list(depths.values())


def _execute(decoder: Decoder, forwards: Sequence[Forward]) -> Answers:
    """All of them, which are of one depth, in one pass."""
    ids, segments = torch.cat([asked.ids for asked in forwards]), [Segment(asked.cache, len(asked.ids)) for asked in forwards]
    vectors = [asked.features.vectors for asked in forwards if asked.features is not None]
    features, inputs = torch.cat(vectors) if vectors else None, forwards[0].inputs
    starts = accumulate((len(asked.ids) for asked in forwards[:-1]), initial=0)
    wanted = [start + row for start, asked in zip(starts, forwards, strict=True) for row in asked.rows]
    if not wanted and not inputs:
        decoder.read(ids, segments, features)
        return [torch.empty(0, decoder.config.vocab)] * len(forwards)
    if not inputs:
        found = decoder.logits(decoder(ids, segments, features, wanted))
    else:
        hidden = decoder.inputs_of(inputs, ids, segments, features, normed=forwards[0].normed)
        found = hidden[torch.tensor(wanted, dtype=torch.long, device=hidden.device)]
    return list(torch.split(found, [len(asked.rows) for asked in forwards]))


def stream(steps: Telling[E, T], decoder: Decoder) -> Generator[E, None, T]:
    """Drives one piece of work alone, in the caller's thread: its events, then its result as the generator's."""
    with closing(steps):
        answers: Answers = []
        try:
            step = next(steps)
            while True:
                if isinstance(step, tuple):
                    answers = execute(decoder, step)
                else:
                    yield step
                step = steps.send(answers)
        except StopIteration as end:
            result: T = end.value
            return result


def run(steps: Telling[E, T], decoder: Decoder) -> T:
    """The result of one piece of work, driven alone; its events are dropped."""
    return result_of(stream(steps, decoder))


def result_of(events: Generator[E, None, T]) -> T:
    """Goes through to the end and gives the generator's result."""
    try:
        while True:
            next(events)
    except StopIteration as end:
        result: T = end.value
        return result
