"""Training documents from files of the data sets' forms, and passages with the questions that they answer."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from engine.tokenizer import Tokenizer
from tests.engine.vocabularies import chatml_json
from training.scan_corpus import corpus, needed
from training.scan_sources import Document, contracts, pages, paragraphs, passages, posts, statements, varied

LAW = "This Agreement shall be governed by the laws of the State of Delaware, without regard to its rules of conflict."
CLAUSES = "\n\n".join(f"{number}. The parties shall meet in room {number} on the first day of month {number}." for number in range(1, 80))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


@pytest.fixture
def contract(tmp_path: Path) -> Document:
    qas = [
        {"category": "Governing Law", "question": "?", "answerable": True, "spans": [LAW, "not there"]},
        {"category": "Insurance", "question": "?", "answerable": False, "spans": []},
        {"category": "Document Name", "question": "?", "answerable": True, "spans": ["Agreement"]},
    ]
    text = f"Agreement\n\nThe Agreement follows.\n\n{CLAUSES}\n\n{LAW}\n"
    return next(iter(contracts(write(tmp_path / "c.gz", [{"title": "Supply", "text": text, "qas": qas}]))))


def test_clauses_are_asked_in_several_wordings_of_their_own_document(contract: Document) -> None:
    law, absent, name = contract.questions
    assert "governing law" in law.wordings
    assert law.wordings[-1] == "?", "and in the data set's own"
    assert len(set(law.wordings)) >= 4
    assert [contract.text[slice(*span)] for span in law.spans] == [LAW]
    assert name.spans == ((0, 9),)  # a short one counts where it first stands
    assert (absent.spans, len(absent.wordings) >= 3) == ((), True), "a clause that is not there is asked too"
    assert contract.closed
    assert contract.header()(0, 10) == "[Supply.pdf, page 1]\n"


def test_contracts_are_told_apart_by_their_length(tmp_path: Path) -> None:
    rows = [{"title": f"Supply {size}", "text": "x" * size, "qas": []} for size in (100, 101, 200, 201)]
    path = write(tmp_path / "c.gz", rows)
    assert [each.name for each in contracts(path, longest=100)] == ["Supply 100.pdf"]
    long = list(contracts(path, "long contracts", longer=100, longest=200))
    assert [each.name for each in long] == ["Supply 101.pdf", "Supply 200.pdf"]
    assert {each.source for each in long} == {"long contracts"}


def test_every_clause_and_statement_has_wordings() -> None:
    folder = Path(__file__).parents[2] / "training"
    for name, kinds in (("clause_wordings.json", 41), ("statement_wordings.json", 17)):
        wordings = json.loads((folder / name).read_text(encoding="utf-8"))
        assert len(wordings) == kinds
        assert all(len(set(each)) == len(each) >= 3 for each in wordings.values())


def test_paragraphs_of_a_title_make_one_document(tmp_path: Path) -> None:
    def row(title: str, context: str, question: str, answer: str) -> dict[str, Any]:
        return {"title": title, "context": context, "qas": [{"question": question, "answers": [answer], "starts": [context.index(answer)]}]}

    rows = [row("Rome", "Rome is old.", "What is old?", "Rome"), row("Oslo", "Oslo is cold.", "Is it cold?", "cold")]
    rows.append(row("Rome", "It has hills: seven of them.", "How many hills?", "seven"))
    found = {each.name: each for each in paragraphs(write(tmp_path / "p.gz", rows), "wikipedia", random.Random(1), closed=False, each=3)}
    assert found["Rome.txt"].text == "Rome is old.\n\nIt has hills: seven of them.\n\n"
    spans = [found["Rome.txt"].text[slice(*question.spans[0])] for question in found["Rome.txt"].questions]
    assert spans == ["Rome", "seven"]


def test_posts_stand_some_together_with_all_their_questions(tmp_path: Path) -> None:
    def row(colour: str, price: int) -> dict[str, Any]:
        context, answers = f"\nThe {colour} lamp cost {price} dollars.\n", (colour, f"cost {price}")
        return {
            "title": "the same",
            "context": context,
            "qas": [{"question": "?", "answers": [a], "starts": [context.index(a)]} for a in answers],
        }

    rows = [row(colour, price) for price, colour in enumerate(("red", "blue", "green", "tall", "dim"))]
    found = list(posts(write(tmp_path / "p.gz", rows), "reviews", random.Random(1)))
    assert sorted(each.text.count("lamp") for each in found) == [2, 3]
    assert len({each.name for each in found}) == 2
    answers = [each.text[slice(*asked.spans[0])] for each in found for asked in each.questions]
    assert sorted(answers) == sorted(qa["answers"][0] for row in rows for qa in row["qas"])


def test_a_search_question_is_answered_by_its_passage(tmp_path: Path) -> None:
    row = {"question": "who was first", "answers": ["nobody", "Ada"], "ctxs": [{"title": "Firsts", "text": "Ada was first."}]}
    found, whole = passages(write(tmp_path / "w.gz", [row, row | {"answers": ["Eve"]}]), random.Random(1))
    assert found.questions[0].spans == ((0, 3),)
    assert whole.questions[0].spans == ((0, len(whole.text)),), "an answer that stands nowhere is all of it"
    assert not found.closed


def test_statements_point_at_their_spans(tmp_path: Path) -> None:
    text = "Keep it secret. Return it at the end."
    annotations = {"nda-16": {"choice": "Entailment", "spans": [1]}, "nda-1": {"choice": "NotMentioned", "spans": []}}
    row = {"file_name": "n.pdf", "text": text, "spans": [[0, 15], [16, 37]], "annotation_sets": [{"annotations": annotations}]}
    (tmp_path / "n.json").write_text(json.dumps({"documents": [row]}))
    (found,) = statements(tmp_path / "n.json")
    assert [text[slice(*span)] for question in found.questions for span in question.spans] == ["Return it at the end."]


def test_questions_are_varied_as_people_type() -> None:
    random_ = random.Random(3)
    asked = {varied("When was the Bridge built?", random_) for _ in range(40)}
    assert asked == {"When was the Bridge built?", "when was the bridge built", "bridge built"}


def test_pages_tile_the_text() -> None:
    found = list(pages(CLAUSES))
    assert len(found) > 1
    assert "".join(CLAUSES[page.start_char : page.end_char] for page in found) == CLAUSES


def test_a_question_knows_its_passage_and_those_that_look_alike(contract: Document, tmp_path: Path) -> None:
    made = corpus(Tokenizer(chatml_json()), [contract, contract], tmp_path)
    law = made.asked[0]
    (right,) = law.right
    assert LAW[:30] in contract.text[slice(*made.passages[right].span)]
    assert law.candidates == range(len(made.passages) // 2)  # asked of its own document
    assert set(law.lexical) <= set(law.candidates)
    chosen = needed(made, 1, random.Random(1))
    assert right in chosen
    assert len(chosen) == len(set(chosen)) < len(made.passages)
