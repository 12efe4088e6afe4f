"""Who goes in the next turn of the engine's thread, and with how many tokens: the scheduler's policy and nothing else.

A turn is one pass of the model over at most TURN_TOKENS new tokens of all that waits. Answers go first: the next token of every stream,
then questions that are put to a chunk or a sentence, then slices of chunks that must be read first; in each of these whoever came first,
for eight that go in step all end last. Sweeps have whole turns while nobody waits for an answer, and reading ahead while nobody asks at
all. Nobody starves: a slice of each turn is for what got nothing for PATIENCE_TURNS turns. Knows no model, no cache and no thread.
Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

# Each holds the state of the chunks that it looks at: eight took up to 150 MB with the bundled model, so twelve take some 220 MB, and all
# together less than two gigabytes. Further questions wait in order.
ANSWERS_AT_ONCE = 8
# Enough for full passes: each puts its question to a dozen chunks together.
SWEEPS_AT_ONCE = 4
# Two would only take the same turns from each other.
PREFILLS_AT_ONCE = 1
# About a third of a second for the bundled model on two cores: as long as a new question may have to wait before it is looked at.
TURN_TOKENS = 512
# A question, after a sentence or after a chunk that is stored.
QUESTION_TOKENS = 96
PATIENCE_TURNS = 3
# Long enough for the matrix products to be worth their weights, short enough that the streams beside it hardly halt.
SLICE_TOKENS = 128


class Kind(IntEnum):
    """Of work, by who waits for it: a person for an answer, a table for a sweep's, nobody for prefill. Lower goes first."""

    ANSWER = 0
    SWEEP = 1
    PREFILL = 2


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits: `tokens` are left of it, and it got nothing in the last `skipped` turns."""

    tokens: int
    kind: Kind = Kind.ANSWER
    skipped: int = 0

    @property
    def rank(self) -> int:
        """Lower goes first."""
        return (self.tokens > 1) + (self.tokens > QUESTION_TOKENS)


def share_out(waiting: Sequence[Waiting], budget: int = TURN_TOKENS) -> list[int]:
    """How many tokens of each go in this turn, 0 for those that do not; together at most `budget`. `waiting` is in order of arrival."""
    given = [0] * len(waiting)
    overdue = [number for number, one in enumerate(waiting) if one.skipped >= PATIENCE_TURNS]
    _fill(given, waiting, sorted(overdue, key=lambda number: -waiting[number].skipped), min(SLICE_TOKENS, budget))
    first = min((one.kind for one in waiting), default=Kind.ANSWER)
    regular = [number for number, one in enumerate(waiting) if one.kind == first]
    _fill(given, waiting, sorted(regular, key=lambda number: waiting[number].rank), budget - sum(given))
    return given


def _fill(given: list[int], waiting: Sequence[Waiting], order: Sequence[int], budget: int) -> None:
    """Gives each in its order what it has left, as far as the budget goes."""
    for number in order:
        more = min(waiting[number].tokens - given[number], budget)
        given[number] += more
        budget -= more
