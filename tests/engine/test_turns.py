"""Who goes in a turn: the policy alone, without a model."""

from __future__ import annotations

import random

from engine.rate import WINDOW_SECONDS, Rate
from engine.turns import PATIENCE_TURNS, SLICE_TOKENS, TURN_TOKENS, Kind, Waiting, share_out


def test_it_takes_all_that_fits() -> None:
    assert share_out([Waiting(1), Waiting(30), Waiting(200)]) == [1, 30, 200]
    assert share_out([]) == []


def test_it_takes_next_tokens_then_questions_then_a_slice_of_a_chunk() -> None:
    assert share_out([Waiting(5000), Waiting(1), Waiting(40), Waiting(1)], budget=512) == [470, 1, 40, 1]
    assert share_out([Waiting(40), Waiting(1)], budget=1) == [0, 1]


def test_it_serves_who_came_first_where_not_all_fit() -> None:
    assert share_out([Waiting(60), Waiting(30)] * 3, budget=200) == [60, 30, 60, 30, 20, 0]


def test_it_lets_answers_go_before_sweeps_and_sweeps_before_reading_ahead() -> None:
    book, swept = Waiting(5000, Kind.PREFILL), Waiting(30, Kind.SWEEP)
    assert share_out([book, swept, swept]) == [0, 30, 30]
    assert share_out([book, swept, Waiting(1)]) == [0, 0, 1]
    assert share_out([Waiting(300, Kind.SWEEP, PATIENCE_TURNS), Waiting(1)]) == [SLICE_TOKENS, 1]


def test_it_keeps_to_the_order_of_arrival_between_equals() -> None:
    assert share_out([Waiting(300), Waiting(300), Waiting(300)], budget=512) == [300, 212, 0]


def test_it_reads_ahead_in_whole_turns_while_nobody_asks() -> None:
    assert share_out([Waiting(5000, Kind.PREFILL)]) == [TURN_TOKENS]


def test_it_lets_answers_go_before_reading_ahead() -> None:
    assert share_out([Waiting(5000, Kind.PREFILL), Waiting(1)]) == [0, 1]


def test_it_gives_reading_ahead_a_slice_when_it_has_waited_long_enough() -> None:
    late = Waiting(5000, Kind.PREFILL, skipped=PATIENCE_TURNS)
    assert share_out([late, Waiting(1)]) == [SLICE_TOKENS, 1]
    assert share_out([late, Waiting(4000)]) == [SLICE_TOKENS, TURN_TOKENS - SLICE_TOKENS]


def test_it_keeps_a_slice_and_no_more_for_all_that_waited_long_enough() -> None:
    late = [Waiting(40, skipped=PATIENCE_TURNS + wait) for wait in (0, 2, 1, 0)]
    assert share_out([Waiting(60), *late], budget=160) == [32, 40, 40, 40, 8]
    assert share_out([Waiting(500), *[Waiting(500, skipped=PATIENCE_TURNS)] * 3], budget=512) == [384, 128, 0, 0]


def test_it_gives_a_long_request_more_than_its_slice_where_there_is_room() -> None:
    assert share_out([Waiting(5000, skipped=PATIENCE_TURNS), Waiting(1)], budget=512) == [511, 1]


def test_it_never_goes_over_the_budget_and_never_starves_anybody() -> None:
    """A thousand turns of requests of all sizes that come faster than they are served."""
    random_ = random.Random(3)
    waiting: list[Waiting] = []
    longest = 0
    for _ in range(1000):
        while len(waiting) < 12:
            waiting.append(Waiting(random_.choice([1, 1, 1, 30, 300, 4000]), random_.choice([*[Kind.ANSWER] * 3, *Kind])))
        given = share_out(waiting)
        assert sum(given) <= TURN_TOKENS
        assert any(given)
        assert all(0 <= tokens <= one.tokens for tokens, one in zip(given, waiting, strict=True))
        longest = max(longest, *(one.skipped for one in waiting))
        left = [
            Waiting(one.tokens - tokens, one.kind, 0 if tokens else one.skipped + 1) for tokens, one in zip(given, waiting, strict=True)
        ]
        waiting = [one for one in left if one.tokens]
    # At worst all twelve are overdue at once, and one of them, who waited longest, goes in each turn.
    assert longest < PATIENCE_TURNS + 12


def test_it_measures_a_rate_over_the_time_of_the_work() -> None:
    rate = Rate()
    assert rate.per_second(0.0) is None
    rate.note(1.0, 4, 0.1)
    rate.note(5.0, 8, 0.3)
    assert rate.per_second(5.0) == 30.0
    assert rate.per_second(1.5 + WINDOW_SECONDS) == 8 / 0.3
    assert rate.per_second(6.0 + WINDOW_SECONDS) is None
