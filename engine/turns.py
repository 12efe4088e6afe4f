"""Who goes in the next turn of the engine's thread, and with how many tokens: the scheduler's policy and nothing else.

A turn is one pass of the model over at most TURN_TOKENS new tokens of all that waits. Answers go first, the shortest request of theirs
first, so that a stream writes its next token while another question's chunks are read in slices. Reading ahead has whole turns while
nobody asks. Nobody starves: what got nothing for PATIENCE_TURNS turns gets a slice before all others. Knows no model, no cache and no
thread. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Each holds the state of the chunks and sentences that it looks at, about 100 MB with the bundled model, and gets an eighth of the turns'
# tokens at worst; further questions wait in order.
ANSWERS_AT_ONCE = 8
# Two would only take the same turns from each other.
PREFILLS_AT_ONCE = 1
# About a third of a second for the bundled model on two cores: as long as a new question may have to wait before it is looked at.
TURN_TOKENS = 512
PATIENCE_TURNS = 3
# Long enough for the matrix products to be worth their weights, short enough that a stream beside it hardly halts.
SLICE_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits: `tokens` are left of it, and it got nothing in the last `skipped` turns. `prefill`: nobody waits for it."""

    tokens: int
    prefill: bool = False
    skipped: int = 0


def share_out(waiting: Sequence[Waiting], budget: int = TURN_TOKENS) -> list[int]:
    """How many tokens of each go in this turn, 0 for those that do not; together at most `budget`. The order of arrival breaks ties."""
    given = [0] * len(waiting)
    overdue = [number for number, one in enumerate(waiting) if one.skipped >= PATIENCE_TURNS]
    for number in sorted(overdue, key=lambda number: -waiting[number].skipped):
        given[number] = min(waiting[number].tokens, SLICE_TOKENS, budget)
        budget -= given[number]
    asked = any(not one.prefill for one in waiting)
    regular = [number for number, one in enumerate(waiting) if one.prefill != asked]
    for number in sorted(regular, key=lambda number: waiting[number].tokens):
        more = min(waiting[number].tokens - given[number], budget)
        given[number] += more
        budget -= more
    return given
