"""The weights of close layers on made-up outcomes: what tells right from wrong counts, and what does not counts for nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.model.close_layers import CloseWeights
from training.close_calibrate import Outcome, also, fitted, measured, odds, say

SENTENCES = 4


def outcomes(count: int = 300, seed: int = 0) -> list[Outcome]:
    """The close layers' own odds say which sentence answers; the rest is noise."""
    random_ = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        features, stands = random_.normal(size=(SENTENCES, 4)), np.zeros(SENTENCES, dtype=bool)
        right = random_.integers(SENTENCES)
        stands[right] = True
        features[right, 3] += 5.0
        made.append(Outcome("toy", 0, features, stands, np.where(stands, 0.75, 0.25)))
    return made


def test_what_tells_counts() -> None:
    found = fitted(outcomes())
    assert found.close > 1.0
    assert max(abs(value) for value in (found.overlap, found.mass, found.odds)) < 0.3 * found.close


def test_a_sentence_is_quoted_beside_the_best_as_far_behind_as_one_of_three_answers() -> None:
    """Of the sentences 1, 2 and 3 behind the best all answer, of those further behind none."""
    alone = CloseWeights(0.0, 0.0, 0.0, 1.0)

    def one(distance: float, answers: bool) -> Outcome:
        features = np.zeros((2, 4))
        features[1, 3] = -distance
        return Outcome("toy", 0, features, np.array([True, answers]), np.ones(2))

    made = [one(float(distance), distance <= 3) for distance in range(1, 20)]
    assert also(made, alone) == 9.0
    assert also([one(1.0, False)], alone) == 0.0
    assert (measured(made, replace(alone, also=9.5))["quotes beside the first"], measured(made, alone)["of them answer"]) == (9, None)


def test_its_figures_are_those_of_questions_that_it_was_not_fitted_on() -> None:
    found = measured(outcomes(seed=1), fitted(outcomes()))
    assert (found["sentence among those read"], found["F1, sentence given"]) == (1.0, 0.75)
    at_one, without = found["sentence@1"], found["sentence@1, without them"]
    assert isinstance(at_one, float)
    assert isinstance(without, float)
    assert at_one > 0.9 > 0.5 > without
    assert found["F1"] == pytest.approx(0.25 + 0.5 * at_one, abs=0.002)


def asked(source: str, chunk: float, close: float, there: bool) -> Outcome:
    features = np.zeros((2, 4))
    features[0, 3], features[1, 3] = close, close - 9.0
    return Outcome(source, 0, features, np.array([there, False]), np.ones(2), chunk, there)


def test_a_yes_of_the_close_layers_has_a_say_where_it_tells_and_their_no_has_none() -> None:
    alone = CloseWeights(0.0, 0.0, 0.0, 1.0)
    tells = [asked("toy", -0.5, 4.0, there=True), asked("toy", -0.5, -4.0, there=False), asked("toy", 0.5, -4.0, there=True)] * 20
    lies = [asked("toy", 0.5, -0.5, there=True), asked("toy", -0.5, 4.0, there=False)] * 20
    found = replace(alone, say=say(tells, alone))
    assert found.say > 0.3
    assert [odds(each, found) > 0 for each in tells[:3]] == [True, False, True]
    assert say(lies, alone) == 0.0
    assert (measured(tells, found)["found, of those there"], measured(tells, found)["found, of those there, without a say"]) == (1.0, 0.5)


def test_questions_that_all_have_an_answer_say_nothing_of_how_much_a_yes_counts() -> None:
    alone = CloseWeights(0.0, 0.0, 0.0, 1.0)
    assert say([asked("all there", -0.5, 4.0, there=True)] * 20, alone) == 0.0
    assert measured([asked("all there", -0.5, 4.0, there=True)], alone)["found, of those not there"] is None
