"""A child's figures and memory are its own. (bench/process.py, bench/turns.py)"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from bench import turns
from bench.process import BenchFailed, Figures, measured, peak_mb
from bench.turns import OURS_ALONE, Run, best, in_turns

CHILD = "tests.bench.child"


def test_it_hears_the_figures_through_the_noise_on_stdout() -> None:
    assert measured(CHILD, {"hold_mb": 1})["held"] == 1 << 20


def test_it_measures_the_childs_memory_and_not_its_parents() -> None:
    held = bytearray(b"x") * (400 << 20)
    assert peak_mb() > 400
    small, large = measured(CHILD, {})["peak_mb"], measured(CHILD, {"hold_mb": 64})["peak_mb"]
    assert small < 100
    assert 60 < large - small < 80
    del held


def test_it_leaves_out_the_variables_that_the_child_is_not_to_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIN", "1")
    assert measured(CHILD, {"variable": "SPIN"})["seen"] == 1
    assert measured(CHILD, {"variable": "SPIN"}, without=["SPIN"])["seen"] == 0


def test_it_says_which_measurement_failed_and_its_last_words() -> None:
    with pytest.raises(BenchFailed, match=r"tests\.bench\.child ended with 1: ValueError: no such engine"):
        measured(CHILD, {"fail": True})


def test_it_takes_the_largest_rate_and_the_least_memory_of_the_turns() -> None:
    assert best([{"read_8": 5.0, "peak_mb": 70.0}, {"read_8": 9.0, "peak_mb": 60.0}]) == {"read_8": 9.0, "peak_mb": 60.0}


def test_it_takes_turns_and_gives_peers_one_without_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def scripted(module: str, request: Mapping[str, Any], without: Collection[str] = ()) -> Figures:
        asked.append((module, tuple(without)))
        return {"rate": float(len(asked)) + request["more"], "peak_mb": float(len(asked))}

    monkeypatch.setattr(turns, "measured", scripted)
    found = in_turns({"a": Run("ours", {"more": 0}), "b": Run("theirs", {"more": 10}, peer=True)})
    assert asked == [("ours", ()), ("theirs", ()), ("ours", ()), ("theirs", OURS_ALONE)]
    assert found == {"a": {"rate": 3.0, "peak_mb": 1.0}, "b": {"rate": 14.0, "peak_mb": 2.0}}
