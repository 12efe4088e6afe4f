"""Words and scan alone beside the engine's own order. (bench/alone.py, bench/evaluate.py)"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import evaluate
from bench.alone import alone_shares
from bench.scoring import Gold
from engine.events import AnswerEvent, AnswerOptions, Done, PrefillEvent, Timings, Usage
from engine.places import Texts, by_words, candidates
from engine.prompt import Prompt
from tests.ingest.conftest import ByteTokenizer


class BackwardEngine:
    """Locates what words find, worst first, and answers nothing."""

    def prefill(self, prompt: Prompt) -> Iterator[PrefillEvent]:
        """Its two tiers; the second would take longer than anybody waits."""
        yield PrefillEvent("a", prompt.chunks, prompt.chunks, prompt.tokens, prompt.tokens, "index")
        yield PrefillEvent("a", 0, prompt.chunks, 0, prompt.tokens, "full")
        raise AssertionError("the second tier was waited for")

    def answer(self, prompt: Prompt, question: str, options: AnswerOptions) -> Iterator[AnswerEvent]:
        texts = Texts(prompt)
        yield from reversed([texts.located(place) for place in by_words(prompt, candidates(prompt, question, 16))])
        yield Done("", False, 0.1, Usage(prompt.tokens, prompt.chunks, 0, 0), Timings(0, 0, 0, 0), "m", "isolated")


def test_it_scores_words_alone_beside_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = tmp_path / "set" / "documents"
    documents.mkdir(parents=True)
    (documents / "a.txt").write_text(
        "The ferry leaves at nine from the north pier.\n\n" + "A ferry is a boat that carries people.\n\n" * 60
    )
    rows = [
        {"id": "1", "question": "When does the ferry leave from the north pier?", "documents": ["a.txt"], "answerable": True,
         "quotes": ["leaves at nine from the north pier"]},
        {"id": "2", "question": "What is a zeppelin?", "documents": None, "answerable": False},
    ]  # fmt: skip
    (tmp_path / "set" / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setattr(evaluate, "open_engine", lambda home: BackwardEngine())
    monkeypatch.setattr(evaluate.Tokenizer, "open", lambda folder: ByteTokenizer())
    monkeypatch.setenv("LONGREAD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["evaluate", str(tmp_path / "set"), "--json", str(tmp_path / "out.json")])
    assert evaluate.main() == 0
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["metrics"]["bm25.locate@1"] == 1.0
    assert written["metrics"]["locate@1"] == 0.0
    assert written["metrics"]["locate@5"] == 1.0
    first = written["rows"][0]
    assert "leaves at nine" in first["alone"]["bm25"][0]["text"]
    assert set(first["alone"]["bm25"][0]) == set(first["located"][0])
    assert "bm25.locate@10" in capsys.readouterr().out


def test_it_scores_nothing_of_no_answer() -> None:
    assert alone_shares([], []) == {}
    assert alone_shares([Gold("1", "?", None, False)], [{"alone": {"bm25": []}}])["bm25.locate@1"] is None


@pytest.mark.weights
def test_it_scores_the_scan_alone_once_documents_are_indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = tmp_path / "set" / "documents"
    documents.mkdir(parents=True)
    (documents / "a.txt").write_text("The ferry leaves at nine from the north pier.\n\n" + "Bread is baked before dawn.\n\n" * 60)
    row = {"id": "1", "question": "At what time does the boat depart?", "documents": ["a.txt"], "answerable": True,
           "quotes": ["leaves at nine from the north pier"]}  # fmt: skip
    (tmp_path / "set" / "questions.jsonl").write_text(json.dumps(row))
    monkeypatch.setenv("LONGREAD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["evaluate", str(tmp_path / "set"), "--json", str(tmp_path / "out.json")])
    assert evaluate.main() == 0
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["metrics"]["scan.locate@1"] == 1.0
    usage = written["rows"][0]["usage"]
    assert usage["indexed_tokens"] == usage["prompt_tokens"] > 0
