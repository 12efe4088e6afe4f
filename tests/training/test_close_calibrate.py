"""The weights of a close head on made-up outcomes: what tells right from wrong counts, and what does not counts for nothing."""

from __future__ import annotations

import numpy as np
import pytest

from training.close_calibrate import Outcome, fitted, measured

SENTENCES = 4


def outcomes(count: int = 300, seed: int = 0) -> list[Outcome]:
    """The head's own odds say which sentence answers; whether any does is said by them and by the first chunk's. The rest is noise."""
    random_ = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        there = random_.random() < 0.6
        features, stands = random_.normal(size=(SENTENCES, 4)), np.zeros(SENTENCES, dtype=bool)
        features[:, 3] -= 2.0
        if there:
            right = random_.integers(SENTENCES)
            stands[right] = True
            features[right, 3] += 5.0
        odds = random_.normal() + (1.0 if there else -1.0)
        made.append(Outcome("toy", 0, there, odds, features, stands, np.where(stands, 0.75, 0.25)))
    return made


def test_what_tells_counts() -> None:
    weights = fitted(outcomes())
    assert weights.sentence[3] > 1.0
    assert max(abs(value) for value in weights.sentence[:3]) < 0.3 * weights.sentence[3]
    assert min(weights.found) > 0.2


def test_its_figures_are_those_of_questions_that_it_was_not_fitted_on() -> None:
    found = measured(outcomes(seed=1), fitted(outcomes()))
    assert found["sentence among those read"] == 1.0
    assert found["F1, sentence given"] == 0.75
    at_one = found["sentence@1"]
    assert isinstance(at_one, float)
    assert at_one > 0.9
    assert found["F1"] == pytest.approx(0.25 + 0.5 * at_one, abs=0.002)
    for name in ("found precision", "found recall", "not found precision", "not found recall", "told apart"):
        value = found[name]
        assert isinstance(value, float)
        assert value > 0.85, name
    before, after = found["told apart before"], found["told apart"]
    assert isinstance(before, float)
    assert isinstance(after, float)
    assert before < after
