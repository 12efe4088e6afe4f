"""Parts of documents' names in questions, and what must not be taken for one."""

from __future__ import annotations

import pytest

from engine.part_names import parts

NAMES = [
    "Acme Supply Agreement",
    "Acme NDA",
    "acme_lease-2019",
    "Birch lease",
    "037-ElPolloLocoHoldingsInc-20200306-EX-10.16",
    "000-BELLICUMPHARMACEUTICALS-INC-2019-Supply-Agreem",
    "Service Agreement Cedar & Sons",
    "Ng loan agreement",
]
ACME, ACME_LEASE, BIRCH, POLLO, BELLICUM, CEDAR, NG = [0, 1, 2], [2], [3], [4], [5], [6], [7]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Which law governs the Acme contract?", [("Acme", ACME)]),
        ("which law governs the acme contract", [("acme", ACME)]),
        ("Which law governs the Acme lease?", [("Acme", ACME_LEASE)]),
        ("Which law governs the Acme supply agreement?", [("Acme supply", [0])]),
        ("What does the confidential Acme agreement say?", []),
        ("Can Acme's agreement be assigned?", [("Acme's", ACME)]),
        ("Can Acme’s supply agreement be assigned?", [("Acme’s supply", [0])]),
        ("Acme contract: is there any cap?", [("Acme", ACME)]),
        ("May either party end the El Pollo Loco agreement?", [("El Pollo Loco", POLLO)]),
        ("What licence is granted by the Bellicum Pharmaceuticals contract?", [("Bellicum Pharmaceuticals", BELLICUM)]),
        ("How much notice is needed under our lease with Birch?", [("with Birch", BIRCH)]),
        ("When does the agreement with Acme terminate?", [("with Acme", ACME)]),
        ("Is rent due under the Acme lease or under the Birch lease?", [("Acme", ACME_LEASE), ("Birch", BIRCH)]),
        ("What interest does the Ng loan agreement ask for?", [("Ng loan", NG)]),
        ("What does the licence in the Cedar contract cover?", [("Cedar", CEDAR)]),
        ("What reports are due under the Cedar contract?", [("Cedar", CEDAR)]),
    ],
)
def test_a_part_at_a_word_for_a_document_says_which_are_meant(question: str, said: list[tuple[str, list[int]]]) -> None:
    assert [(question[part.start : part.end], list(part.meant)) for part in parts(question, NAMES)] == said


@pytest.mark.parametrize(
    "question",
    [
        "Which law governs the agreement?",
        "Which law governs the supply agreement?",
        "Which law governs the new service agreement?",
        "What does Acme owe Birch?",
        "Which contracts mention Acme?",
        "Does any Acme contract have a cap?",
        "Which contract with Acme has a cap?",
        "Does the lease mention the Acme agreement?",
        "How long does the Acme contract run once the agreement is signed?",
        "Who does Acme contract with?",
        "What does it say on Acme, contract law apart?",
        "What does the Dogwood contract say?",
        "What does the Dogwood contract with Acme's supplier say?",
        "Does the Lo agreement end?",
        "the 2019 lease: who pays?",
        "the Acme contract " * 9,
        "the contract with",
        "contract",
        "",
    ],
)
def test_what_is_not_understood_leaves_the_question_to_all(question: str) -> None:
    assert parts(question, NAMES) == []
