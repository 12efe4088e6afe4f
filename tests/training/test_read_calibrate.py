"""The weights of a reading head on made-up outcomes: which place answers, and whether the answer is there at all."""

from __future__ import annotations

import numpy as np
import pytest

from engine.head_way import probability
from training.read_calibrate import Outcome, both, fitted, measured, told

PLACES = 5


def outcomes(count: int, present: float, source: str = "toy", seed: int = 0) -> list[Outcome]:
    """The head says which place answers, not without mistakes; the rest is noise."""
    random_ = np.random.default_rng(seed)
    made = []
    for number in range(count):
        features, right = random_.normal(size=(PLACES, 4)), np.zeros(PLACES, dtype=bool)
        if answerable := number < present * count:
            right[at := random_.integers(PLACES)] = True
            features[at, 0] += 4.0
        stands = np.roll(right, 1)
        sentences = random_.normal(size=(PLACES, 4)) + 4.0 * stands[:, None] * np.array([0, 1, 0, 0])
        made.append(Outcome(source, 0, answerable, features, right, sentences, stands))
    return made


def test_what_tells_counts() -> None:
    weights = fitted(outcomes(300, 0.5))
    assert weights.head > 1.0
    assert max(abs(weights.lexical), abs(weights.attention), abs(weights.likelihood)) < 0.3 * weights.head
    assert max(weights.sentence, key=abs) == weights.sentence[1]
    found = {name: float(str(value)) for name, value in measured(outcomes(300, 0.5, seed=1), weights).items() if value is not None}
    assert found["@1, fitted"] > 0.9 > 0.5 > found["@1, BM25"]
    assert found["told apart"] > 0.9


@pytest.mark.parametrize("present", [0.2, 0.5, 0.8])
def test_odds_are_those_of_a_world_in_which_half_of_the_questions_have_an_answer(present: float) -> None:
    """However many had one where the weights were fitted. Scores are +1 and -1 with an answer and without, and noise of the same size, so
    their log-odds are twice the score."""
    random_ = np.random.default_rng(1)
    some = [(random_.normal() + (1.0 if answerable else -1.0), answerable) for answerable in random_.random(20_000) < present]
    scale, bias = told([(float(score), bool(answerable)) for score, answerable in some])
    assert scale == pytest.approx(2.0, abs=0.15)
    assert probability(bias) == pytest.approx(0.5, abs=0.02)


def test_a_source_whose_questions_all_have_an_answer_says_nothing_of_those_that_have_none() -> None:
    mixed, easy = outcomes(200, 0.5), outcomes(200, 1.0, "easy", seed=1)
    assert both(mixed + easy) == {"toy"}
    one, other = fitted(mixed), fitted(mixed + easy)
    assert other.bias / other.head == pytest.approx(one.bias / one.head, rel=0.1)
