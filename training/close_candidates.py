"""Questions put to the sentences that a reading head likes best: what close layers are shown in the engine. Sentences that share words with
the question, which training.close_corpus draws, are easier to tell from an answer than those.

Reads what training.reading_head encoded. Knows no files and no close layers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from engine.calibration import READ_CHUNKS
from engine.close_way import CLOSE_SENTENCES
from engine.model.reading_head import Reading, ReadingHead
from engine.read import overlap, stems_of
from engine.reading import mass
from engine.sentences import sentences
from engine.span import Body
from engine.tokenizer import Tokenizer
from training.close_corpus import CloseTask, answers, task_of
from training.read_corpus import Task
from training.read_fit import Material, read
from training.scan_sources import Span


@dataclass(frozen=True, slots=True, eq=False)
class Liked:
    """A sentence of a passage's body, how much the head likes it, and the answers in it, all places in characters."""

    body: Body
    place: Span
    score: float
    answers: tuple[Span, ...]


@torch.inference_mode()
def liked_tasks(
    head: ReadingHead, material: Material, body: Callable[[int], Body], tokenizer: Tokenizer, random_: random.Random
) -> Iterator[CloseTask]:
    """Each question over the sentences that the engine would read close, and over one that answers instead of the last of them if none
    does; in any order. `body`: of a passage by its number. A question whose answer stands in no sentence is left out."""
    for task in material.tasks:
        readings = {place: read(head, material, task, place) for place in task.passages}
        bodies = {place: body(place) for place in task.passages}
        chosen = _chosen(head, task, readings, bodies)
        random_.shuffle(chosen)
        put = task_of(task.source, task.wording, [(each.body.text, each.place, each.answers) for each in chosen], tokenizer)
        if put and bool(task.spans) == put.answered:
            yield put


def _chosen(head: ReadingHead, task: Task, readings: dict[int, Reading], bodies: dict[int, Body]) -> list[Liked]:
    # What the scan and the likelihood say of a passage is not kept beside its encoding; they count as much for each.
    odds = {place: head.weights.odds(float(reading.answers), task.lexical.get(place, 0.0), 0.0, 0.0) for place, reading in readings.items()}
    best = sorted(odds, key=odds.__getitem__, reverse=True)[:READ_CHUNKS]
    found = {place: list(_sentences(head, task, place, readings[place], odds[place], bodies[place])) for place in odds}
    ranked = _first([each for place in best for each in found[place]])[:CLOSE_SENTENCES]
    if any(each.answers for each in ranked):
        return ranked
    right = _first([each for own in found.values() for each in own if each.answers])
    return ranked[: CLOSE_SENTENCES - 1] + right[:1] if right else ranked


def _first(found: Sequence[Liked]) -> list[Liked]:
    return sorted(found, key=lambda each: each.score, reverse=True)


def _sentences(head: ReadingHead, task: Task, place: int, reading: Reading, odds: float, body: Body) -> Iterator[Liked]:
    _, by_words, by_mass, by_odds = head.weights.sentence
    stems = stems_of(task.wording)
    spans = [body.trimmed(first, last + 1) for first, last in task.spans.get(place, ())]
    for start, end in sentences(body.text):
        score = by_words * overlap(body.text[start:end], stems) + by_mass * mass(reading, body, start, end) + by_odds * odds
        yield Liked(body, (start, end), score, tuple(span for span in spans if answers((start, end), span)))
