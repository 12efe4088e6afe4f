"""The weights of close layers on made-up outcomes: what tells right from wrong counts, and what does not counts for nothing."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from training.close_calibrate import Outcome, fitted, measured

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
    *others, close = astuple(fitted(outcomes()))
    assert close > 1.0
    assert max(abs(value) for value in others) < 0.3 * close


def test_its_figures_are_those_of_questions_that_it_was_not_fitted_on() -> None:
    found = measured(outcomes(seed=1), fitted(outcomes()))
    assert (found["sentence among those read"], found["F1, sentence given"]) == (1.0, 0.75)
    at_one, without = found["sentence@1"], found["sentence@1, without them"]
    assert isinstance(at_one, float)
    assert isinstance(without, float)
    assert at_one > 0.9 > 0.5 > without
    assert found["F1"] == pytest.approx(0.25 + 0.5 * at_one, abs=0.002)
