"""What the scores mean: weights that were fitted by `python -m training.calibrate`, for the bundled model. Imports no torch.

`place_score` orders located chunks, `sentence_score` the sentences in them; `found_probability` says how likely it is that the answer
is in the prompt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# How many chunks are named, how many of them the model looks at, and in how many it looks for the answer's sentence.
LOCATE_CHUNKS = 16
LOOK_CHUNKS = 12
# A reading head reads so many of them first, and the others only where the best of these has lower log-odds. On held-back contracts as many
# questions have their chunk first, or among five, as where all are read (docs/log.md, 2026-11-23).
LOOK_FIRST = 6
SURE = 2.0
READ_CHUNKS = 3
# A reader who is not sure reads on in the next ones, up to so many.
WIDE_CHUNKS = 8
SPAN_TOKENS = 96  # the longest answer
FOUND_THRESHOLD = 0.5

# In units of the question's gain in nats a token. Chosen near what was fitted on 20 training documents (docs/log.md, 2026-11-21).
PLACE_LEXICAL = 0.1  # times BM25
PLACE_LIKELIHOOD = 1.0  # times the question's gain in nats a token
PLACE_ATTENTION = 12.8  # times the scan's score
ATTENTION_UNKNOWN = 0.4  # of a chunk that is not indexed where no other is: what chunks that share words with a question have as a rule
UNLOOKED = -10.0  # a chunk that the model did not look at comes after all that it did
SENTENCE_OVERLAP = 4.0  # times the share of the question's terms
SENTENCE_PLACE = 0.5  # times the chunk's own score


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an answer being there, from the best sentence and its chunk."""

    likelihood: float  # of the chunk, nats a question token
    lexical: float  # BM25 of the chunk, a question term
    sentence: float  # likelihood of the sentence, nats a question token
    overlap: float  # share of the question's terms in the sentence
    margin: float  # the sentence's score above the next one's
    attention: float  # of the chunk, by the scan

    def values(self) -> tuple[float, ...]:
        return (self.likelihood, self.lexical, self.sentence, self.overlap, self.margin, self.attention)


# For a model without a reading head, which has odds of its own. Fitted on 215 questions of documents that the scan head was not trained
# on. On such as it was not fitted on it tells found from absent in 0.72 (contracts) and 0.97 (wikipedia) of them; before the scan took
# part in 0.69 and 0.92 (docs/log.md, 2026-11-21).
FOUND_WEIGHTS = (-0.51, 0.4, 1.46, 4.43, -0.64, 6.67)
FOUND_BIAS = -5.32


def place_score(lexical: float, likelihood: float | None, attention: float) -> float:
    """Higher is better; comparable between the chunks of one question."""
    return PLACE_LEXICAL * lexical + PLACE_ATTENTION * attention + (UNLOOKED if likelihood is None else PLACE_LIKELIHOOD * likelihood)


def sentence_score(likelihood: float, overlap: float, place: float) -> float:
    """Higher is better; comparable between the sentences of one question."""
    return likelihood + SENTENCE_OVERLAP * overlap + SENTENCE_PLACE * place


def found_probability(evidence: Evidence) -> float:
    """0..1, by a logistic function of the evidence."""
    odds = FOUND_BIAS + sum(weight * value for weight, value in zip(FOUND_WEIGHTS, evidence.values(), strict=True))
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))
