"""The bench of composed chunks, at sizes that take no time: its figures, and that a question reads nothing that is stored."""

from __future__ import annotations

import pytest

from bench import composed


def test_it_says_what_a_question_takes_at_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed, "SIZES", {"2K": 2_000, "4K": 4_000})
    said = composed.run(("2K", "4K"))
    figures = said.figures
    assert {f"{size}.{name}" for size in ("2K", "4K") for name in ("peak_mb", "grown_mb", "first_token_s")} < set(figures)
    assert figures["naive_bytes_per_token"] == 4 * 256
    assert 256 <= figures["bytes_per_token"] < 257
    assert 0 < figures["2K.grown_mb"] < figures["2K.peak_mb"]
    assert len(said.rows) == 8


def test_a_question_reads_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed, "SIZES", {"2K": 2_000})
    found = composed.asked("2K")
    assert (found["read"], found["chunks"]) == (0, 5)
