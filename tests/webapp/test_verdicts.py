"""What people say of an answer of a checklist: who may, what is kept, and how the table shows it."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tests.webapp.test_checklist_pages import make_sweep
from tests.webapp.test_pages import EVIL, signed_in
from webapp.accounts.models import User
from webapp.checklist.models import Cell, Judgement, Sweep, Verdict
from webapp.checklist.question_lists import ListUnreadable, questions_in, ready_lists
from webapp.checklist.services import MOST_NOTE_CHARACTERS, VerdictRefused, verdict_set
from webapp.library.models import Collection, Membership

pytestmark = pytest.mark.django_db


@pytest.fixture
def cell(collection: Collection) -> Cell:
    sweep = make_sweep(collection, ["How much?"], 1)
    return Cell.objects.create(document=sweep.documents.get(), question=0, answer="90 days", found=True, confidence=0.9)


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


def judge(client: Client, cell: Cell, headers: dict[str, str] | None = None, **fields: str) -> str:
    response = client.post(reverse("checklist-verdict", args=[cell.id]), fields, headers=headers, follow=True)
    assert response.status_code == 200
    return str(response.content.decode())


def test_it_shows_who_said_what_of_an_answer_and_when(browser: Client, cell: Cell) -> None:
    html = judge(browser, cell, judgement="wrong", note=f"It is 60.\n{EVIL}")
    verdict = Verdict.objects.get()
    assert (verdict.judgement, verdict.person, verdict.note) == (Judgement.WRONG, cell.document.sweep.checklist.owner, f"It is 60.\n{EVIL}")
    assert "<strong>wrong</strong>" in html
    assert "It is 60.<br>&lt;script&gt;" in html
    assert EVIL not in html
    assert "alice, <time" in html
    assert "1 wrong" in html


def test_it_puts_the_judged_cell_alone_into_the_page(browser: Client, cell: Cell) -> None:
    html = judge(browser, cell, {"HX-Request": "true", "HX-Target": "cell-0-0"}, judgement="confirmed")
    assert 'id="cell-0-0"' in html
    assert "<html" not in html
    assert "<strong>confirmed</strong>" in html


def test_it_keeps_the_last_word_and_takes_it_back(cell: Cell, alice: User, bob: User) -> None:
    verdict_set(cell=cell, person=alice, judgement="confirmed", note="")
    verdict_set(cell=cell, person=bob, judgement="", note="  see page 4 \x07 ")
    verdict = Verdict.objects.get()
    assert (verdict.judgement, verdict.note, verdict.person) == ("", "see page 4", bob)
    assert verdict_set(cell=cell, person=bob, judgement="", note=" ") is None
    assert not Verdict.objects.exists()


@pytest.mark.parametrize(("judgement", "note"), [("perhaps", ""), ("wrong", "x" * (MOST_NOTE_CHARACTERS + 1))])
def test_it_refuses_other_words(cell: Cell, alice: User, judgement: str, note: str) -> None:
    with pytest.raises(VerdictRefused):
        verdict_set(cell=cell, person=alice, judgement=judgement, note=note)


def test_only_those_who_may_change_the_collection_judge(cell: Cell, collection: Collection, bob: User, staff: User) -> None:
    address = reverse("checklist-verdict", args=[cell.id])
    page = reverse("checklist-detail", args=[cell.document.sweep_id])
    assert signed_in(bob).post(address, {"judgement": "wrong"}).status_code == 404
    assert signed_in(staff).post(address, {"judgement": "wrong"}).status_code == 404
    membership = Membership.objects.create(collection=collection, user=bob, may_change=False)
    assert signed_in(bob).post(address, {"judgement": "wrong"}).status_code == 403
    assert address not in signed_in(bob).get(page).content.decode()
    Membership.objects.filter(id=membership.id).update(may_change=True)
    assert signed_in(bob).post(address, {"judgement": "wrong"}).status_code == 302
    assert Verdict.objects.get().person == bob


def test_a_verdict_outlives_the_person(browser: Client, cell: Cell, bob: User) -> None:
    verdict_set(cell=cell, person=bob, judgement="confirmed", note="")
    bob.delete()
    assert "somebody who is gone" in browser.get(reverse("checklist-detail", args=[cell.document.sweep_id])).content.decode()


# ------------------------------------------------------------------ where the questions come from


def test_it_ships_a_list_for_contracts_and_one_for_repositories(browser: Client, collection: Collection) -> None:
    contracts, repositories = ready_lists()
    assert (contracts.key, repositories.key) == ("contracts", "repositories")
    for ready in ready_lists():
        assert 15 <= len(ready.questions) <= 60
        assert len(set(ready.questions)) == len(ready.questions)
        assert all(question.endswith("?") for question in ready.questions)
    html = browser.get(reverse("checklist-list", args=[collection.id]), {"list": "contracts"}).content.decode()
    assert "Which law governs this agreement?\n" in html
    assert browser.get(reverse("checklist-list", args=[collection.id]), {"list": "nothing"}).status_code == 200


@pytest.mark.parametrize(
    ("content", "questions"),
    [
        (b"question\nHow much, and when?\n\nWhy?\n", ["How much, and when?", "Why?"]),
        (b'"How much, and when?"\n"Why ""so""?"\n', ["How much, and when?", 'Why "so"?']),
        (b"How much, and when?\nWhy?", ["How much, and when?", "Why?"]),
        (b"\xef\xbb\xbfid,Question,note\r\n1,How much?,x\r\n2,Why?\r\n3\r\n", ["How much?", "Why?"]),
        (b"nr;question\n1;How much, and when?\n", ["How much, and when?"]),
        ("question\nWas kostet das Gerät für Käufer?\n".encode("latin-1"), ["Was kostet das Gerät für Käufer?"]),
    ],
)
def test_it_reads_questions_from_a_file(content: bytes, questions: list[str]) -> None:
    assert questions_in(content) == questions


@pytest.mark.parametrize("content", [b"", b"\n\n", b"question\n", b"PK\x03\x04\x00\x00", b'"never closed\n', b"x" * 1_000_001])
def test_it_says_why_a_file_holds_no_questions(content: bytes) -> None:
    with pytest.raises(ListUnreadable):
        questions_in(content)


def test_it_asks_what_was_typed_and_what_the_file_holds(browser: Client, collection: Collection) -> None:
    make_sweep(collection, ["Before?"], 1)
    file = SimpleUploadedFile("list.csv", b"question\nWhy?\nTyped?\n")
    browser.post(reverse("checklist-create", args=[collection.id]), {"questions": "Typed?", "file": file})
    assert Sweep.objects.first().checklist.questions == ["Typed?", "Why?"]  # type: ignore[union-attr]


def test_it_keeps_what_was_typed_when_the_file_is_refused(browser: Client, collection: Collection) -> None:
    file = SimpleUploadedFile("list.xlsx", b"PK\x03\x04\x00")
    html = browser.post(reverse("checklist-create", args=[collection.id]), {"questions": "Typed?", "file": file}).content.decode()
    assert "This file is no text. Save it as CSV, or paste the questions." in html
    assert ">Typed?</textarea>" in html
