"""What a reading head is worth on tasks held back: the right passage first, the right words, found told from absent. Knows no files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.scoring import exact_match, f1, overlaps
from engine.model.reading_head import ReadingHead, best_span
from engine.sentences import sentences
from engine.span import Body
from training.read_corpus import Task
from training.read_fit import Material, read

MOST_TOKENS = 150


@dataclass(frozen=True, slots=True)
class Outcome:
    """One task: of each passage log-odds, BM25, whether it answers, and what would be answered out of it: EM, F1, quote hit."""

    source: str
    odds: Tensor
    lexical: Tensor
    right: Tensor
    words: Tensor


@torch.inference_mode()
def outcomes(material: Material, head: ReadingHead, body: Callable[[int], Body]) -> list[Outcome]:
    return [outcome(material, head, task, body) for task in material.tasks]


def outcome(material: Material, head: ReadingHead, task: Task, body: Callable[[int], Body]) -> Outcome:
    odds: list[float] = []
    words: list[list[float]] = []
    golds = [text_of(body(place), span) for place, spans in task.spans.items() for span in spans]
    for place in task.passages:
        reading, own = read(head, material, task, place), body(place)
        may_start, may_end = torch.from_numpy(own.starts[:-1].copy()), torch.from_numpy(own.ends[1:].copy())
        first, last, _ = best_span(reading, may_start, may_end, MOST_TOKENS)
        answer = text_of(own, (first, last))
        odds.append(float(reading.answers))
        hit = float(any(overlaps(quoted(own, (first, last)), gold) for gold in golds))
        words.append([exact_match(answer, golds), f1(answer, golds), hit])
    lexical = torch.tensor([task.lexical.get(place, 0.0) for place in task.passages])
    right = torch.tensor([place in task.spans for place in task.passages])
    return Outcome(task.source, torch.tensor(odds), lexical, right, torch.tensor(words))


def text_of(body: Body, span: tuple[int, int]) -> str:
    start, end = body.trimmed(span[0], span[1] + 1)
    return body.text[start:end]


def quoted(body: Body, span: tuple[int, int]) -> str:
    """The sentences that the span touches."""
    start, end = body.trimmed(span[0], span[1] + 1)
    touched = [(first, last) for first, last in sentences(body.text) if first < end and last > start]
    return body.text[min([start, *(first for first, _ in touched)]) : max([end, *(last for _, last in touched)])]


def table(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float | None]]:
    """Of each source: questions, the right passage first by words and by the head, what is answered out of the head's first passage and out
    of a right one, and how well the odds tell found from absent."""
    return {source: row([each for each in outcomes if each.source == source]) for source in sorted({each.source for each in outcomes})}


def row(some: Sequence[Outcome]) -> dict[str, float | None]:
    there = [each for each in some if each.right.any()]
    first = [each.words[each.odds.argmax()] for each in there]
    given = [each.words[each.odds.masked_fill(~each.right, -torch.inf).argmax()] for each in there]
    present, absent = ([float(each.odds.max()) for each in some if bool(each.right.any()) is truth] for truth in (True, False))
    return {
        "questions": len(there),
        "absent": len(absent),
        "words @1": mean(bool(each.right[each.lexical.argmax()]) for each in there),
        "head @1": mean(bool(each.right[each.odds.argmax()]) for each in there),
        **{name: mean(float(each[number]) for each in first) for number, name in enumerate(("EM", "F1", "quote hit"))},
        **{f"{name}, passage given": mean(float(each[number]) for each in given) for number, name in enumerate(("EM", "F1", "quote hit"))},
        "told apart": told_apart(present, absent),
    }


def told_apart(present: Sequence[float], absent: Sequence[float]) -> float | None:
    """How often a question with an answer has higher odds than one without (area under the curve)."""
    if not present or not absent:
        return None
    higher = np.array(present)[:, None] > np.array(absent)[None, :]
    return round(float(higher.mean()), 3)


def mean(values: Iterable[float]) -> float | None:
    """Rounded; None of nothing."""
    listed = [float(value) for value in values]
    return round(sum(listed) / len(listed), 3) if listed else None
