"""What the scores mean: weights that were fitted by `python -m training.calibrate`, for the bundled model. Imports no torch.

`place_score` orders located chunks; `found_probability` says how likely it is that the answer is in the prompt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LOCATE_CHUNKS = 16
READ_CHUNKS = 3
FOUND_THRESHOLD = 0.5

# log-odds that a located chunk holds the answer
PLACE_LEXICAL = 2.0  # times the chunk's BM25 as a share of the best one's
PLACE_LIKELIHOOD = 2.0  # times the question's gain in nats a token


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an answer: of the best chunk, against the second best, and of the span that was read."""

    likelihood: float  # nats a question token
    margin: float  # place score, best minus second
    lexical: float  # BM25 a question word
    span: float  # mean log-probability of the span's tokens
    rival: float  # how far the best span's log-probability is above the second chunk's

    def values(self) -> tuple[float, ...]:
        return (self.likelihood, self.margin, self.lexical, self.span, self.rival)


FOUND_WEIGHTS = (1.0, 0.5, 0.1, 0.3, 0.1)
FOUND_BIAS = 0.0


def place_score(lexical: float, best_lexical: float, likelihood: float) -> float:
    """Higher is better; comparable between the chunks of one question."""
    return PLACE_LEXICAL * lexical / max(best_lexical, 1e-9) + PLACE_LIKELIHOOD * likelihood


def found_probability(evidence: Evidence) -> float:
    """0..1, by a logistic function of the evidence."""
    odds = FOUND_BIAS + sum(weight * value for weight, value in zip(FOUND_WEIGHTS, evidence.values(), strict=True))
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))
