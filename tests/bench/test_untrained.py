"""The untrained model's answers beside the engine's. (bench/untrained.py, bench/evaluate.py)"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench import evaluate
from bench.scoring import Gold
from bench.untrained import untrained_shares


@pytest.mark.weights
def test_it_is_asked_the_same_and_knows_nothing_that_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = tmp_path / "set" / "documents"
    documents.mkdir(parents=True)
    (documents / "a.txt").write_text("The ferry leaves at nine from the north pier.\n\n" + "Bread is baked before dawn.\n\n" * 60)
    shared, other = "When does the ferry leave?", "At what time does the boat depart?"
    rows = [{"id": question, "question": question, "documents": ["a.txt"], "answerable": True, "quotes": ["leaves at nine"]}
            for question in (shared, other)]  # fmt: skip
    (tmp_path / "set" / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("LONGREAD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["evaluate", str(tmp_path / "set"), "--untrained", "--json", str(tmp_path / "out.json")])
    assert evaluate.main() == 0
    written = json.loads((tmp_path / "out.json").read_text())
    by_words, by_meaning = (row["untrained"] for row in written["rows"])
    assert "leaves at nine" in by_words["located"][0]["text"]
    assert by_words["usage"].get("indexed_tokens") is None
    assert by_meaning["located"] == []  # the text shares no word with it, and nothing else finds
    assert written["rows"][1]["located"]
    assert (written["metrics"]["locate@1"], written["metrics"]["untrained.locate@1"]) == (1.0, 0.5)


def test_nothing_is_scored_where_it_was_not_asked() -> None:
    assert untrained_shares([], []) == {}
    assert untrained_shares([Gold("1", "?", None, False)], [{"alone": {}}]) == {}
