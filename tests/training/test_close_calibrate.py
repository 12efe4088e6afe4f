"""The weights of close layers on made-up outcomes: what tells right from wrong counts, and what does not counts for nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.model.close_layers import CloseWeights
from training.close_calibrate import Outcome, also, fitted, measured

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
