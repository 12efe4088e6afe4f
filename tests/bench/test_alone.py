"""Words and scan alone beside the engine's own order. (bench/alone.py, bench/evaluate.py)"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from transformers import pipeline

from bench import evaluate
from bench.alone import alone_shares
from bench.evaluate import together
from bench.minilm import MiniLM
from bench.scoring import Gold
from engine.events import AnswerEvent, AnswerOptions, Done, PrefillEvent, Timings, Usage
from engine.places import Texts, by_words, candidates
from engine.prompt import Prompt
from tests.engine.prompts import make_prompt
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


def test_minilm_finds_by_meaning_and_looks_at_the_end_of_a_long_chunk(tmp_path: Path) -> None:
    """Independently: its embeddings are those of transformers' own pipeline over one text at a time."""
    minilm = MiniLM()
    filler = "Bread is baked before dawn. " * 60
    bodies = [filler, filler + "The ferry leaves at nine from the north pier.", "Sheep graze on the hill."]
    prompt = make_prompt(tmp_path, ByteTokenizer(), {"a": bodies[:2], "b": bodies[2:]})
    best = minilm.best(prompt, "At what time does the boat depart?", 3)
    assert [place.lexical for place in best] == sorted((place.lexical for place in best), reverse=True)
    first, *rest = [(place.chunk.document, place.chunk.index) for place in best]
    assert first == ("a", 1)
    assert set(rest) == {("a", 0), ("b", 0)}
    features = pipeline("feature-extraction", minilm.model, tokenizer=minilm.tokenizer)
    for text, row in zip(TEXTS, minilm.embedded(TEXTS), strict=True):
        mean = np.array(features(text)[0]).mean(0)
        assert np.allclose(row, mean / np.linalg.norm(mean), atol=1e-5)


TEXTS = ["The boat departs at nine.", "Sheep graze.", "A much longer sentence than the others, about nothing at all, for the padding."]


def test_a_question_of_one_document_names_it_when_all_are_asked_together() -> None:
    one, two, all_ = (Gold("1", "Who pays?", documents, True) for documents in (("lease.pdf",), ("a.pdf", "b.pdf"), None))
    assert (together(one).question, together(one).documents) == ("lease: Who pays?", None)
    assert (together(two).question, together(two).documents) == ("Who pays?", None)
    assert together(all_) == all_
