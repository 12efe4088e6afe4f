"""What close layers are trained on: which sentences a question is put to, where answers stand in them; and that they learn from them."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.close_reading import Sheet
from engine.loading.close_layers import read_close_layers
from engine.model.close_layers import CloseReading, CloseShape, CloseWeights
from engine.model.decoder import Decoder
from engine.tokenizer import Tokenizer
from tests.engine.tiny import CONFIG, our_weights, reference_model
from tests.engine.vocabularies import chatml_json
from training import close_fit
from training.close_corpus import ABSENT, WRONG, CloseTask, close_tasks, put
from training.close_export import export, exported
from training.close_fit import Example, Settings, batches, fit, losses_of, nats
from training.close_model import Sheets, TrainedCloseLayers
from training.close_states import lower_states
from training.close_train import table
from training.scan_sources import Document, Question

SHAPE, OPENING = CloseShape(1, 2), 3
TOWNS = ["Rome", "Oslo", "Bern", "Lima", "Cairo", "Delhi", "Paris", "Quito"]


def story(number: int) -> Document:
    """Each of some people went to a town of their own; of one it is not said."""
    random_ = random.Random(number)
    towns, text, questions = random_.sample(TOWNS, 4), "", []
    for person, town in zip(("Ann", "Bob", "Cleo", "Dan"), towns, strict=True):
        text += f"In the year {1900 + random_.randrange(99)} {person} went to "
        questions.append(Question((f"Where did {person} go?", f"{person}'s town"), ((len(text), len(text) + len(town)),)))
        text += f"{town} by train. "
    return Document("stories", f"{number}.txt", text, (*questions, Question(("Where did Eve go?",), ())), closed=True)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(chatml_json())


def tasks_of(tokenizer: Tokenizer, documents: int, first: int = 0) -> list[CloseTask]:
    stories = [story(number) for number in range(first, first + documents)]
    return close_tasks(stories, {"stories": 10**6}, {}, random.Random(1), tokenizer)


def test_a_question_is_put_to_the_sentence_that_answers_and_to_some_that_look_alike(tokenizer: Tokenizer) -> None:
    document, places = story(1), set()
    made = list(put(document, document.questions, random.Random(1), tokenizer))
    assert len(made) == 5
    for task, question in zip(made, document.questions, strict=True):
        assert task.wording in question.wordings
        right = [number for number, shown in enumerate(task.shown) if shown.spans]
        assert len(right) == bool(question.spans)
        assert len(task.shown) == min(4, 1 + WRONG)
        for shown in (task.shown[number] for number in right):
            (answer,) = (document.text[slice(*span)] for span in question.spans)
            assert [shown.window.words(*span) for span in shown.spans] == [answer]
            assert shown.window.body.text.endswith("by train.")
        assert len({shown.window.body.text for shown in task.shown}) == len(task.shown)
        places.update(right)
    assert len(places) > 1, "the right one is not always at the same place"


def test_so_many_questions_of_a_document_and_a_source(tokenizer: Tokenizer) -> None:
    crowded = replace(story(1), questions=story(1).questions * 10)
    few = close_tasks([crowded], {"stories": 1000}, {"stories": 7}, random.Random(1), tokenizer)
    assert len(few) == 7 + ABSENT
    assert len(close_tasks([crowded, story(2)], {"stories": 5}, {"stories": 7}, random.Random(1), tokenizer)) <= 11
    assert close_tasks([crowded], {}, {}, random.Random(1), tokenizer) == []


def test_a_source_may_have_fewer_wrong_sentences(tokenizer: Tokenizer) -> None:
    made = close_tasks([story(1)], {"stories": 9}, {}, random.Random(1), tokenizer, {"stories": 1})
    assert [len(task.shown) for task in made] == [2] * 5
    assert sum(task.answered for task in made) == 4


def test_an_answer_that_stands_in_no_sentence_is_left_out(tokenizer: Tokenizer) -> None:
    document = replace(story(1), questions=(Question(("Which?",), ((10**6, 10**6 + 5),)),))
    assert list(put(document, document.questions, random.Random(1), tokenizer)) == []


class Stories:
    """The tiny model over stories."""

    def __init__(self, tokenizer: Tokenizer, folder: Path) -> None:
        self.tokenizer, self.folder = tokenizer, folder
        self.config = replace(CONFIG, vocab=len(tokenizer), context=1024)
        self.base = our_weights(reference_model(self.config), self.config)
        self.decoder = Decoder.from_weights(self.config, self.base)
        self.read = 0

    def model(self, rank: int = 16) -> TrainedCloseLayers:
        torch.manual_seed(1)
        return TrainedCloseLayers(SHAPE, self.config, self.base, rank)

    def examples(self, tasks: list[CloseTask]) -> list[Example]:
        sheets = [Sheet.of(task.wording, [shown.window for shown in task.shown], self.tokenizer, OPENING) for task in tasks]
        states = lower_states(self.decoder, "tiny", SHAPE.first, sheets, self.folder, self._told)
        found = zip(states, sheets, tasks, strict=True)
        return [Example(state, sheet.sentences, tuple(shown.spans for shown in task.shown)) for state, sheet, task in found]

    def _told(self, done: int, total: int, rate: float) -> None:
        self.read += rate > 0


@pytest.fixture
def stories(tokenizer: Tokenizer, tmp_path: Path) -> Stories:
    return Stories(tokenizer, tmp_path / "states")


SETTINGS = Settings(steps=300, minutes=60, tokens=2600, rate=3e-3, head_rate=3e-3, warm_up=10, words=0.5, bf16=False)


def test_they_learn_which_sentence_answers_and_with_which_words(stories: Stories, tokenizer: Tokenizer, tmp_path: Path) -> None:
    """A random model learns a few stories by heart; and the engine loads what came of it."""
    tasks = tasks_of(tokenizer, 5)
    examples, model, untrained = stories.examples(tasks), stories.model(), stories.model()
    assert fit(model, examples, SETTINGS, lambda *_: None) == SETTINGS.steps
    found, before = (table(each, tasks, examples)["stories"] for each in (model, untrained))
    assert (found["questions"], found["absent"]) == (20, 5)
    for name in ("close @1", "EM", "F1", "told apart"):
        assert (found[name] or 0.0) > 0.8 > 0.7 > (before[name] or 0.0), (name, found, before)
    export(tmp_path / "close", SHAPE, model.own(), CloseWeights(), "tiny")
    again = stories.model()
    again.load_state_dict(exported(tmp_path / "close", "tiny"), strict=False)
    assert all(torch.allclose(one, other, atol=1e-2) for one, other in zip(again.own().values(), model.own().values(), strict=True))
    with pytest.raises(ValueError, match="no close layers of this model"):
        exported(tmp_path / "close", "another")
    loaded = read_close_layers("tiny", stories.config, tmp_path / "close", stories.base)
    assert loaded is not None
    with torch.inference_mode():
        (expected,) = model(Sheets.of([examples[0].hidden], [examples[0].sentences]))
        for reading, wanted in zip(loaded.layers(examples[0].hidden.float(), examples[0].sentences), expected, strict=True):
            assert float(reading.answers) == pytest.approx(float(wanted.answers), abs=0.5)


def test_sheets_are_read_once(stories: Stories, tokenizer: Tokenizer) -> None:
    tasks = tasks_of(tokenizer, 3)
    first = stories.examples(tasks)
    assert stories.read == 1
    again = stories.examples(tasks)
    assert stories.read == 1
    assert all(torch.equal(one.hidden, other.hidden) for one, other in zip(first, again, strict=True))
    alone = stories.decoder.new_cache(below=SHAPE.first)
    assert len(first[0].hidden) > alone.length


def test_a_fit_goes_on_where_it_stopped(stories: Stories, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In two runs of five steps the same comes out as in one of ten, as far as the time that the rate goes by is the same."""
    examples, ten = stories.examples(tasks_of(tokenizer, 6)), replace(SETTINGS, steps=10, minutes=1e9)
    whole, parted = stories.model(), stories.model()
    fit(whole, examples, ten, lambda *_: None)

    class Stopped(Exception):
        pass

    def stop(step: int, *_: object) -> None:
        if step == 5:
            raise Stopped

    kept = tmp_path / "run.pt"
    monkeypatch.setattr(close_fit, "KEPT_EVERY", 5)
    with pytest.raises(Stopped):
        fit(parted, examples, ten, stop, kept)
    resumed = stories.model()
    assert fit(resumed, examples, ten, lambda *_: None, kept) == 10
    for one, other in zip(whole.own().values(), resumed.own().values(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_each_question_comes_once_before_any_comes_again(stories: Stories, tokenizer: Tokenizer) -> None:
    examples = stories.examples(tasks_of(tokenizer, 10))
    seen: list[int] = []
    for batch in batches(examples, SETTINGS):
        assert len(batch) * max(len(each.hidden) for each in batch) <= SETTINGS.tokens
        seen += [id(each) for each in batch]
        if len(seen) >= len(examples):
            break
    assert sorted(seen) == sorted(id(each) for each in examples)


def test_losses_are_none_for_what_is_said_rightly() -> None:
    sure = torch.full((3, 3), -50.0)
    sure[1, 1] = 0.0
    said = [CloseReading(torch.tensor(30.0), sure), CloseReading(torch.tensor(-30.0), sure)]
    example = Example(torch.zeros(1, 1), ((0, 3), (3, 6)), (((1, 1),), ()))
    assert [float(loss) for loss in losses_of([said], [example])] == pytest.approx([0, 0, 0], abs=1e-6)
    turned = replace(example, spans=((), ((0, 2),)))
    assert all(float(loss) > 20 for loss in losses_of([said], [turned]))


def test_any_of_the_right_answers_will_do_and_one_that_goes_on_ends_with_the_sentence() -> None:
    spans = torch.tensor([[0.1, 0.2], [0.0, 0.7]]).log()
    assert float(nats(spans, [(0, 0), (0, 1), (0, 0)])) == pytest.approx(-math.log(0.3))
    assert float(nats(spans, [(1, 9)])) == pytest.approx(-math.log(0.7))
