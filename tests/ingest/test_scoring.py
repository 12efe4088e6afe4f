"""Scores worked out by hand. (bench/scoring.py and bench/evaluate.py)"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.evaluate import read_questions, spread
from bench.scoring import Gold, exact_match, f1, located_rank, normalised_answer, overlaps, percentile, score


def gold(**fields: Any) -> Gold:
    return Gold(**{"id": "q", "question": "?", "documents": None, "answerable": True} | fields)


def answered(**fields: Any) -> dict[str, Any]:
    usual = {"answer": "", "found": True, "citations": [], "located": [], "timings": {"first_token_s": 1.0}}
    return usual | fields


def place(text: str = "", page: int | None = None, **fields: Any) -> dict[str, Any]:
    return {"text": text, "page": page, **fields}


def test_it_normalises_answers_as_squad_does() -> None:
    assert normalised_answer("The  Fee, an EUR-35 deposit!") == "fee eur35 deposit"
    assert normalised_answer("the Buyer’s “Term”") == normalised_answer('the Buyer\'s "Term"') == "buyers term"


def test_it_matches_exactly_against_any_gold_answer() -> None:
    assert exact_match("the 308", ["307", "308."]) == 1.0
    assert exact_match("308 points", ["308"]) == 0.0


def test_it_counts_shared_words() -> None:
    assert f1("ninety days notice", ["ninety (90) days"]) == pytest.approx(2 * 2 / (3 + 3))
    assert f1("x", ["y", "x x"]) == pytest.approx(2 * 1 / (1 + 2))
    assert f1("", ["x"]) == 0.0


@pytest.mark.parametrize(
    ("passage", "quote", "expected"),
    [
        ("before\n  The FEE is due after", "the fee is due", True),
        ("... one two", "one two three four", True),  # half of it, the rest lies in the next chunk
        ("... one", "one two three four", True),  # the shorter text is the passage: "one" is half of two words
        ("x y z one", "one two three four", False),
        ("one x two y three z", "one two three", False),  # the words are there, not as a run
        ("", "one", False),
        ("the Buyer’s “Term” – 3 years", 'the Buyer\'s "Term" - 3 years', True),  # typeset in the document, typed in the gold
    ],
)
def test_it_says_which_passages_overlap(passage: str, quote: str, expected: bool) -> None:
    assert overlaps(passage, quote) is expected


def test_it_ranks_the_first_right_place_by_quote_page_or_file() -> None:
    located = [place("no", 1), place("the fee is due", 2), place("no", 3)]
    assert located_rank(gold(quotes=("fee is due",)), located) == 2
    assert located_rank(gold(pages=(3,)), located) == 3
    assert located_rank(gold(files=("src/a.py",)), [place(path="repo/src/a.py")]) == 1
    assert located_rank(gold(files=("a.py",)), [place(path="data.py")]) is None


def test_it_computes_every_metric_of_the_design() -> None:
    golds = [
        gold(answers=("ninety days",), quotes=("ninety days",), pages=(4,)),
        gold(answers=("Scotland",), quotes=("laws of Scotland",), pages=(5,)),
        gold(answerable=False),
        gold(answerable=False),
    ]
    right = {"quote": "ninety days", "page": 4, "verified": True}
    wrong = {"quote": "thirty years", "page": 1, "verified": False}
    answers = [
        answered(answer="Ninety days", citations=[right], located=[place("x", 9), place("ninety days", 4)], timings={"first_token_s": 0.1}),
        answered(found=False, located=[place("laws of Scotland", 5)], timings={"first_token_s": 0.2}),
        answered(citations=[wrong], timings={"first_token_s": 0.3}),
        answered(found=False, timings={"first_token_s": 0.4}),
    ]
    metrics = score(golds, answers, peak_mb=100.0)
    expected = {
        "locate@1": 0.5,
        "locate@5": 1.0,
        "locate@10": 1.0,
        "em": 0.5,
        "f1": 0.5,
        "quote_hit": 0.5,
        "page_accuracy": 0.5,
        "verified": 0.5,
        "found_precision": 0.5,
        "found_recall": 0.5,
        "notfound_precision": 0.5,
        "notfound_recall": 0.5,
        "first_token_p50_s": 0.2,
        "first_token_p95_s": 0.4,
        "peak_mb": 100.0,
    }
    assert metrics == expected
    assert list(metrics) == list(expected)


def test_it_measures_nothing_where_there_is_nothing_to_measure() -> None:
    metrics = score([gold(answerable=False)], [answered(found=False)], 1.0)
    assert metrics["em"] is None
    assert metrics["locate@1"] is None
    assert metrics["notfound_recall"] == 1.0


def test_it_takes_the_nearest_rank() -> None:
    assert percentile([1, 2, 3, 4], 50) == 2
    assert percentile(list(range(1, 101)), 95) == 95
    assert percentile([], 50) is None


def test_it_spreads_a_limit_over_the_set() -> None:
    golds = [gold(id=str(number)) for number in range(10)]
    assert [chosen.id for chosen in spread(golds, 4)] == ["0", "2", "5", "7"]
    assert spread(golds, None) == spread(golds, 99) == golds


def test_it_reads_a_qa_set(tmp_path: Path) -> None:
    row = {"id": "1", "question": "?", "documents": ["a.pdf"], "answerable": True, "quotes": ["x"], "pages": [1]}
    (tmp_path / "questions.jsonl").write_text(json.dumps(row) + "\n\n")
    assert read_questions(tmp_path) == [Gold("1", "?", ("a.pdf",), True, (), ("x",), (1,), ())]
