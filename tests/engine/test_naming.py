"""Documents that a question names, and what of the question is then asked of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.asked import Asked
from engine.engine import Engine
from engine.events import AnswerOptions, Done, Located
from engine.naming import Named, named
from engine.prompt import CHUNK_ROW, Prompt, PromptDocument
from engine.remote.address import ServerAddress
from engine.remote.engine import RemoteEngine
from tests.engine.prompts import make_prompt

NAMES = [
    "011-Pareteum_20081001-EX-99.1 Hosting Ag.pdf",
    "lease.pdf",
    "Supply Agreement Acme.docx",
    "Supply Agreement Acme Amendment.docx",
    "2019/terms.pdf",
    "2020/terms.pdf",
    "pumps.md",
    "src/scheduler.py",
    "供应合同.pdf",
    "10.1",
    "one two three.txt",
    "two three four.txt",
]


@pytest.fixture
def prompt() -> Prompt:
    nothing = np.zeros(0, dtype=CHUNK_ROW)
    documents = [PromptDocument(name, name, np.zeros(0, np.int32), nothing, Path("none"), is_code=name.endswith(".py")) for name in NAMES]
    return Prompt(tuple(documents), Path("none"), "alice")


@pytest.mark.parametrize(
    ("question", "documents", "rest"),
    [
        ("011-Pareteum_20081001-EX-99.1 Hosting Ag: Which law governs?", [0], "Which law governs?"),
        ("Which law governs 011 pareteum 20081001 ex 99 1 hosting ag.pdf?", [0], "Which law governs?"),
        ("In lease.pdf, how much notice is needed?", [1], "how much notice is needed?"),
        ("How much notice is needed in “Lease.pdf”?", [1], "How much notice is needed?"),
        ("What does lease.pdf say on notice?", [1], "What does say on notice?"),
        ("Lease: how long does it run?", [1], "how long does it run?"),
        ("Lease: which contracts survive?", [1], "which contracts survive?"),
        ("How do the documents lease.pdf and 2020/terms.pdf differ?", [1, 5], "How do the documents and differ?"),
        ("Who owes what under the Supply Agreement (Acme)?", [2], "Who owes?"),
        ("Is the cap in supply agreement acme amendment the same?", [3], "Is the cap in the same?"),
        ("Who pays, by Supply Agreement Acme or by Supply Agreement Acme Amendment?", [2, 3], "Who pays?"),
        ("Is there a cap in terms.pdf?", [4, 5], "Is there a cap?"),
        ("Is there a cap in 2020/terms.pdf?", [5], "Is there a cap?"),
        ("scheduler.py: who waits longest?", [7], "who waits longest?"),
        ("Who says that one, two, three, four are many?", [10, 11], "Who says are many?"),
        ("供应合同.pdf中的通知期是多久?", [8], "中的通知期是多久?"),
        ("供应合同：通知期是多久?", [8], "通知期是多久?"),
    ],
)
def test_a_name_singles_out_its_documents_and_leaves_the_question(prompt: Prompt, question: str, documents: list[int], rest: str) -> None:
    found = named(prompt, question)
    assert found.documents == tuple(NAMES[number] for number in documents)
    assert [document.id for document in found.prompt.documents] == [NAMES[number] for number in documents]
    assert found.question == rest


@pytest.mark.parametrize(
    "question",
    [
        "How long does the lease run?",
        "What do the terms say on Acme: is there a supply agreement?",
        "Which supply agreement is Acme's?",
        "Who calls share_out of scheduler.py?",
        "What does section 10.1 say?",
        "Is release.pdf older?",
        "Which contracts mention Acme?",
        "Which documents mention lease.pdf?",
        "Do all other contracts cite the Supply Agreement (Acme)?",
        "Is there any cap in the Acme contract?",
        "",
        "?",
    ],
)
def test_what_may_be_no_name_leaves_all_as_it_is(prompt: Prompt, question: str) -> None:
    assert named(prompt, question) == Named(prompt, question)


@pytest.mark.parametrize(
    ("question", "documents", "rest"),
    [
        ("Is there any cap in the Acme contract?", [2, 3], "Is there any cap in the contract?"),
        ("Who pays under our agreement with Acme?", [2, 3], "Who pays under our agreement?"),
        ("Can Acme's agreement be assigned?", [2, 3], "Can agreement be assigned?"),
        ("Is lease.pdf older than the Acme contract?", [1, 2, 3], "Is older than the contract?"),
        ("Which contracts mention the Acme lease?", [], "Which contracts mention the Acme lease?"),
    ],
)
def test_part_of_a_name_singles_out_where_there_is_no_code(prompt: Prompt, question: str, documents: list[int], rest: str) -> None:
    found = named(replace(prompt, documents=tuple(each for each in prompt.documents if not each.is_code)), question)
    assert (found.documents, found.question) == (tuple(NAMES[number] for number in documents), rest)


def test_a_question_that_is_hardly_more_than_a_name_is_kept(prompt: Prompt) -> None:
    found = named(prompt, "What is in lease.pdf?")
    assert (found.documents, found.question) == (("lease.pdf",), "What is in lease.pdf?")


def test_a_prompt_of_the_named_alone_is_asked_whole_without_the_name(prompt: Prompt) -> None:
    lease = replace(prompt, documents=prompt.documents[1:2])
    found = named(lease, "Which law governs lease.pdf?")
    assert (found.prompt, found.question, found.documents) == (lease, "Which law governs?", ())


def test_one_sequence_is_read_whole_whatever_is_named(prompt: Prompt) -> None:
    question = "Which law governs lease.pdf?"
    whole, part = (Asked(prompt, question, AnswerOptions(), whole=whole) for whole in (True, False))
    assert (whole.prompt, whole.bare, part.bare, part.question) == (prompt, question, "Which law governs?", question)


# --- answers ---

CONTRACTS = {
    "acme-supply-2019.pdf": [
        "This supply agreement is between Acme Ltd and Birch plc.\n\n",
        "Either party may terminate this agreement on ninety days' written notice.\n\n",
        "This agreement is governed by the laws of Scotland.\n\n",
    ],
    "cedar-lease-2020.pdf": [
        "The tenant is Cedar GmbH.\n\n",
        "The rent is 900 euros a month.\n\n",
        "This lease is governed by Irish law.\n\n",
    ],
}


@pytest.mark.weights
@pytest.mark.parametrize(("question", "words"), [("Which law governs?", "Irish"), ("How much notice is needed to terminate?", "")])
def test_a_named_document_answers_as_if_it_were_asked_alone(engine: Engine, tmp_path: Path, question: str, words: str) -> None:
    """It has the words that were asked for in one, and the other contract alone has them in the other."""
    both = make_prompt(tmp_path, engine.tokenizer, CONTRACTS)
    lease = replace(both, documents=both.documents[1:])
    for _ in engine.prefill(both):
        pass

    def answered(prompt: Prompt, asked: str) -> tuple[list[Any], Done]:
        events = list(engine.answer(prompt, asked))
        assert isinstance(events[-1], Done)
        return [event for event in events[:-1] if isinstance(event, Located)], events[-1]

    alone, alone_done = answered(lease, question)
    for asked in (f"cedar-lease-2020: {question}", f"In cedar-lease-2020.pdf, {question}"):
        located, done = answered(both, asked)
        assert located == alone
        assert engine.locate(both, asked) == alone
        assert (done.answer, done.confidence) == (alone_done.answer, alone_done.confidence)
        assert words in done.answer
        assert bool(words) == done.found
        counted = alone_done.usage
        assert done.usage == replace(counted, named=("cedar-lease-2020.pdf",))
    assert {place.document for place in answered(both, question)[0]} == set(CONTRACTS)


@pytest.mark.weights
def test_a_server_is_sent_what_the_question_names(engine: Engine, tmp_path: Path) -> None:
    both = make_prompt(tmp_path, engine.tokenizer, CONTRACTS)
    remote = RemoteEngine(ServerAddress("http://127.0.0.1:9", "", context=2000), engine.tokenizer)
    found = remote.locate(both, "Is cedar-lease-2020.pdf governed by the laws of Scotland?")
    assert {place.document for place in found} == {"cedar-lease-2020.pdf"}
    assert {place.document for place in remote.locate(both, "Is it governed by law?")} == set(CONTRACTS)
