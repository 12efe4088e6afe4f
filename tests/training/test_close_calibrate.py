"""The weights of close layers on made-up outcomes: what tells right from wrong counts, and what does not counts for nothing."""

from __future__ import annotations

import numpy as np
import pytest

from training.close_calibrate import Outcome, fitted, measured

SENTENCES = 4


def outcomes(count: int = 400, seed: int = 0) -> list[Outcome]:
    """The close layers' own odds say which sentence answers, and whether any does; the rest is noise. Half have no answer."""
    random_ = np.random.default_rng(seed)
    made = []
    for number in range(count):
        features, stands = random_.normal(size=(SENTENCES, 4)), np.zeros(SENTENCES, dtype=bool)
        if answerable := number % 2 == 0:
            stands[right := random_.integers(SENTENCES)] = True
            features[right, 3] += 5.0
        words = np.where(stands, 0.75, 0.25 * answerable)
        made.append(Outcome("toy", 0, answerable, float(random_.normal()), features, stands, words))
    return made


def test_what_tells_counts() -> None:
    weights = fitted(outcomes())
    *others, close = weights.sentence
    assert close > 1.0
    assert max(abs(value) for value in others) < 0.3 * close
    assert weights.said > 1.0 > 0.3 > abs(weights.read)
    assert weights.found(0.0, 5.0) > 1.0
    assert weights.found(0.0, 0.0) < -1.0


def test_its_figures_are_those_of_questions_that_it_was_not_fitted_on() -> None:
    found = {name: float(str(value)) for name, value in measured(outcomes(seed=1), fitted(outcomes())).items()}
    assert (found["questions"], found["absent"]) == (200, 200)
    assert (found["sentence among those read"], found["F1, sentence given"]) == (1.0, 0.75)
    assert found["sentence@1"] > 0.9 > 0.5 > found["sentence@1, without them"]
    assert found["F1"] == pytest.approx(0.25 + 0.5 * found["sentence@1"], abs=0.002)
    assert found["told apart"] > 0.95
    assert found["told apart, the close layers alone"] > 0.95
    assert 0.4 < found["told apart, without them"] < 0.6
