"""Training of a reading head on made-up data: a tiny random model, passages with one number each, questions that ask for it."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.chat_format import Asked as Put
from engine.loading.reading_head import read_reading_head
from engine.model.decoder import Decoder
from engine.model.reading_head import Reading, ReadingHead, ReadingShape
from tests.engine.tiny import CONFIG, our_weights, reference_model
from training.read_corpus import Task
from training.read_encodings import Job, ReadEncodings, Reader
from training.read_export import export
from training.read_fit import ANSWER_TOKENS, Level, Material, Progress, Settings, Shown, fit, read, span_loss, window

LAYERS = (0, 2)
PREFIX = np.array([3, 5, 7], dtype=np.int32)
NAMES, NUMBERS, PASSAGES = range(10, 40), range(50, 80), 60
SHAPE = ReadingShape(LAYERS, CONFIG.kv_heads * CONFIG.head_dim, 64, 2)
SETTINGS = Settings(steps=120, questions=6, dropout=0.0, rate=3e-3)


def put(name: int) -> Put:
    return Put(np.array([8, name, 9], dtype=np.int32), 1, 2)


def made_up() -> tuple[dict[int, Job], list[Task]]:
    """Each passage names four things, each followed by its number. A question names a thing; its number is the answer."""
    random_ = random.Random(1)
    jobs, tasks = {}, []
    for place in range(PASSAGES):
        names, numbers = random_.sample(NAMES, 4), random_.sample(NUMBERS, 4)
        ids = np.array([1, 2, *(id for pair in zip(names, numbers, strict=True) for id in pair)], dtype=np.int32)
        asked = [names[0], names[2], *random_.sample([name for name in NAMES if name not in names], 2)]
        jobs[place] = Job(ids, {str(name): put(name) for name in asked})
        for name in asked:
            spans = {place: ((2 * names.index(name) + 1,) * 2,)} if name in names else {}
            tasks.append(Task("toy", str(name), place, (place,), spans, {}))
    return jobs, tasks


def shared(jobs: dict[int, Job], place: int, wording: str) -> Tensor:
    return torch.from_numpy(jobs[place].ids == int(wording))


def reader() -> Reader:
    return Reader(Decoder.from_weights(CONFIG, our_weights(reference_model(), CONFIG)), PREFIX, LAYERS)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    jobs, tasks = made_up()
    encodings = ReadEncodings(tmp_path_factory.mktemp("encodings"), "tiny", LAYERS, reader)
    assert encodings.encode(list(jobs.values()), lambda *_: None) == PASSAGES
    states = {place: encodings.load(job) for place, job in jobs.items()}
    level = Level.of([state.passage for state in states.values()])
    states = {place: level.levelled(state) for place, state in states.items()}
    sizes = {wording: 1 for job in jobs.values() for wording in job.questions}
    return Material(tasks, states, dict.fromkeys(jobs, 2), partial(shared, jobs), sizes)


def right(head: ReadingHead, tasks: list[Task], material: Material) -> tuple[float, float]:
    """Of the tasks, how often the head knows whether there is an answer, and where it begins."""
    knows, begins = [], []
    with torch.inference_mode():
        for task in tasks:
            (place,) = task.passages
            reading = read(head, material, task, place)
            knows.append((float(reading.answers) > 0) == bool(task.spans))
            begins += [int(reading.starts.argmax()) == task.spans[place][0][0]] if task.spans else []
    return sum(knows) / len(knows), sum(begins) / len(begins)


def test_it_learns_where_answers_stand_and_when_there_are_none(material: Material) -> None:
    """On passages that it was not trained on."""
    train = [task for task in material.tasks if task.document < 45]
    apart = [task for task in material.tasks if task.document >= 45]
    head = fit(replace(material, tasks=train), SHAPE, SETTINGS, lambda *_: None)
    knows, begins = right(head, apart, material)
    assert knows > 0.8
    assert begins > 0.8


def test_a_fit_that_was_stopped_ends_as_one_that_was_not(material: Material) -> None:
    settings, kept = replace(SETTINGS, steps=6, questions=2, dropout=0.2), list[Progress]()
    whole = fit(material, SHAPE, settings, lambda *_: None)
    fit(material, SHAPE, settings, lambda *_: None, keep=lambda progress: kept.append(deepcopy(progress)), every=3)
    resumed = fit(material, SHAPE, settings, lambda *_: None, start=kept[0])
    other = fit(material, SHAPE, replace(settings, seed=2), lambda *_: None)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
    assert not torch.equal(whole.whole.weight, other.whole.weight)


def test_past_its_deadline_it_ends_soon(material: Material) -> None:
    steps: list[int] = []
    fit(material, SHAPE, replace(SETTINGS, steps=100, questions=1), lambda step, *_: steps.append(step), deadline=0.0)
    assert steps[-1] <= 6


def test_the_file_gives_the_same_head(material: Material, tmp_path: Path) -> None:
    """Within what fp16 leaves."""
    head, path = fit(material, SHAPE, replace(SETTINGS, steps=3), lambda *_: None), tmp_path / "reading_head.safetensors"
    export(path, head, "tiny")
    loaded = read_reading_head("tiny", CONFIG, path=path)
    assert loaded is not None
    assert read_reading_head("another", CONFIG, path=path) is None
    seen = material.seen(0, material.tasks[0].wording)
    with torch.inference_mode():
        for ours, theirs in zip(loaded(seen), head(seen), strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-2, rtol=2e-2)


def test_what_is_encoded_is_not_encoded_again(tmp_path: Path) -> None:
    jobs = list(made_up()[0].values())[:3]
    first = ReadEncodings(tmp_path, "tiny", LAYERS, reader)
    assert first.encode(jobs[:2], lambda *_: None) == 2
    assert first.encode(jobs, lambda *_: None, deadline=0.0) == 2

    def refuse() -> Reader:
        raise AssertionError("it is all there")

    assert ReadEncodings(tmp_path, "tiny", LAYERS, refuse).encode(jobs[:2], lambda *_: None) == 2


def test_a_head_takes_the_level_of_states_in(material: Material) -> None:
    """What was fitted on levelled states says the same of the states as they are."""
    random_ = torch.Generator().manual_seed(1)
    mean, spread = torch.randn(SHAPE.inputs, generator=random_), torch.rand(SHAPE.inputs, generator=random_) + 0.5
    head = fit(material, SHAPE, replace(SETTINGS, steps=2), lambda *_: None)
    seen = material.seen(0, material.tasks[0].wording)
    raw = seen._replace(chunk=seen.chunk.float() * spread + mean, question=seen.question.float() * spread + mean)
    with torch.inference_mode():
        for ours, theirs in zip(Level(mean, spread).taken_in(head)(raw), head(seen), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_a_window_keeps_an_answer_and_the_header(material: Material, seed: int) -> None:
    task = next(task for task in material.tasks if task.spans)
    (place,) = task.passages
    whole = Shown(material.seen(place, task.wording), task.spans[place])
    cut = window(whole, 3, random.Random(seed))
    assert len(cut.seen.chunk) == len(cut.seen.shared) == 2 + 3
    assert torch.equal(cut.seen.chunk[:2], whole.seen.chunk[:2])
    for (first, last), (began, ended) in zip(cut.spans, whole.spans, strict=True):
        assert torch.equal(cut.seen.chunk[2 + first : 2 + last + 1], whole.seen.chunk[2 + began : 2 + ended + 1])
    assert window(whole, 8, random.Random(seed)) is whole


def test_a_fit_begins_with_a_head_that_is_there(material: Material) -> None:
    settings = replace(SETTINGS, steps=2, questions=2)
    head = Level(torch.full((SHAPE.inputs,), 0.5), torch.full((SHAPE.inputs,), 2.0)).taken_in(
        fit(material, SHAPE, settings, lambda *_: None)
    )
    bare, level = Level.left_out(head)
    assert (level.mean[0], level.spread[0], bare.mean[0], bare.spread[0]) == (0.5, 2.0, 0.0, 1.0)
    untouched = fit(material, SHAPE, replace(settings, steps=0), lambda *_: None, first=bare)
    for name, weight in bare.state_dict().items():
        assert torch.equal(weight, untouched.state_dict()[name])


def test_some_layers_of_what_was_kept(tmp_path: Path) -> None:
    job = next(iter(made_up()[0].values()))
    encodings = ReadEncodings(tmp_path, "tiny", LAYERS, reader)
    encodings.encode([job], lambda *_: None)
    whole, some, values = encodings.load(job), encodings.load(job, LAYERS[1:]), CONFIG.kv_heads * CONFIG.head_dim
    assert torch.equal(some.passage, whole.passage[:, values:])
    for wording, of_some in some.questions.items():
        assert torch.equal(of_some, whole.questions[wording][:, values:])


def test_a_short_answer_is_learnt_to_the_word_and_a_clause_as_a_place() -> None:
    tokens = ANSWER_TOKENS + 10

    def reading(first: int, last: int) -> Reading:
        starts, ends = torch.full((2, tokens), -9.0)
        starts[first], ends[last] = 0.0, 0.0
        return Reading(torch.zeros(()), torch.log_softmax(starts, 0), torch.log_softmax(ends, 0))

    clause, words = (2, 2 + ANSWER_TOKENS), (5, 8)
    assert span_loss(reading(5, 8), [words]) < 0.1 < span_loss(reading(5, 9), [words])
    assert span_loss(reading(5, 8), [clause]) < 0.1
    assert span_loss(reading(0, 1), [clause]) > 1.0
    assert span_loss(reading(20, 21), [clause, words]) > 1.0, "where the words are known they count"
