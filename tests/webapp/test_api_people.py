"""What programs do with others: members of a collection, links to an answer, verdicts, conversations, and which documents are asked."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.webapp.test_access import document_of, program
from tests.webapp.test_pages import signed_in
from webapp.accounts.models import Scope, User
from webapp.accounts.services import token_create
from webapp.api.models import Reply
from webapp.ask.models import Answer, AnswerState, Conversation, Question
from webapp.checklist.models import Cell, Checklist, Sweep, SweptDocument, Verdict
from webapp.checklist.question_lists import ready_list
from webapp.jobs.models import Job, JobKind, JobState
from webapp.library.members import member_put
from webapp.library.models import Collection, Document, DocumentState, Membership
from webapp.sharing.models import AnswerLink

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker")]

ROOT = "/api/v1"


@pytest.fixture
def api(alice: User) -> Client:
    return program(alice)


@pytest.fixture
def question(collection: Collection, alice: User) -> Question:
    conversation = Conversation.objects.create(collection=collection, owner=alice)
    question = Question.objects.create(conversation=conversation, collection=collection, owner=alice, text="How much notice?")
    Answer.objects.create(question=question, state=AnswerState.DONE, text="90 days", found=True)
    return question


def send(client: Client, method: str, path: str, body: dict[str, Any], **headers: str) -> Any:
    return getattr(client, method)(ROOT + path, body, content_type="application/json", headers=headers)


def test_it_lets_somebody_in_changes_what_they_may_do_and_lets_them_out(api: Client, bob: User, collection: Collection) -> None:
    path = f"/collections/{collection.id}/members"
    assert program(bob).get(f"{ROOT}/collections/{collection.id}").status_code == 404
    member = send(api, "post", path, {"username": "BOB"}).json()
    assert (member["username"], member["may_change"]) == ("bob", False)
    assert [row["id"] for row in api.get(ROOT + path).json()["items"]] == [member["id"]]
    upload = f"/collections/{collection.id}/uploads"
    assert send(program(bob), "post", upload, {"name": "a", "size_bytes": 1}).status_code == 403
    assert send(api, "patch", f"{path}/{member['id']}", {"may_change": True}).json()["may_change"]
    assert send(program(bob), "post", upload, {"name": "a", "size_bytes": 1}).status_code == 201
    assert api.delete(f"{ROOT}{path}/{member['id']}").status_code == 204
    assert program(bob).get(f"{ROOT}/collections/{collection.id}").status_code == 404


def test_it_says_whom_it_does_not_know_and_lets_nobody_into_their_own(api: Client, collection: Collection) -> None:
    path = f"/collections/{collection.id}/members"
    answers = [send(api, "post", path, {"username": name}) for name in ("nobody", "alice")]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert "There is no account “nobody”" in answers[0].json()["error"]
    assert api.get(f"{ROOT}{path}/{uuid4()}").status_code == 405
    assert send(api, "patch", f"{path}/{uuid4()}", {"may_change": True}).status_code == 404


def test_a_member_leaves_and_an_owner_does_not(api: Client, bob: User, collection: Collection) -> None:
    member_put(collection=collection, username="bob", may_change=True)
    path = f"/collections/{collection.id}/leave"
    assert send(api, "post", path, {}).status_code == 409
    assert send(program(bob), "post", path, {}).status_code == 204
    assert not Membership.objects.exists()


def test_it_adds_a_member_once_under_one_key(api: Client, bob: User, collection: Collection) -> None:
    path, key = f"/collections/{collection.id}/members", {"idempotency-key": "k"}
    first, again = (send(api, "post", path, {"username": "bob"}, **key) for _ in range(2))
    assert first.json() == again.json()
    assert again["Idempotency-Replayed"] == "true"


def test_a_reading_token_changes_none_of_it(alice: User, collection: Collection, question: Question) -> None:
    reader = Client(headers={"authorization": f"Bearer {token_create(owner=alice, name='r', scope=Scope.READ)[1]}"})
    paths = [
        ("post", f"/collections/{collection.id}/members"),
        ("post", f"/questions/{question.id}/links"),
        ("patch", f"/conversations/{question.conversation_id}"),
        ("delete", f"/conversations/{question.conversation_id}"),
        ("put", f"/cells/{uuid4()}/verdict"),
    ]
    assert {send(reader, method, path, {}).status_code for method, path in paths} == {403}
    assert reader.get(f"{ROOT}/conversations/{question.conversation_id}").status_code == 200


# ---------------------------------------------------------------------------------------------------- links


def test_it_makes_a_link_that_opens_the_answer_lists_it_without_its_address_and_revokes_it(api: Client, question: Question) -> None:
    path = f"/questions/{question.id}/links"
    made = send(api, "post", path, {"days": 30}).json()
    assert made["url"].startswith("http://testserver/shared/")
    assert "90 days" in Client().get(made["url"]).content.decode()
    (listed,) = api.get(ROOT + path).json()["items"]
    assert (listed["id"], listed["prefix"], "url" in listed) == (made["id"], made["prefix"], False)
    assert listed["opened_at"]
    assert api.delete(f"{ROOT}/links/{made['id']}").status_code == 204
    assert Client().get(made["url"]).status_code == 404


def test_it_keeps_the_address_of_a_link_nowhere(api: Client, question: Question) -> None:
    path, key = f"/questions/{question.id}/links", {"idempotency-key": "k"}
    first, again = (send(api, "post", path, {"days": 1}, **key) for _ in range(2))
    assert first.json() | {"url": ""} == again.json()
    token = first.json()["url"].rstrip("/").rpartition("/")[2]
    assert token not in Reply.objects.get().body
    assert AnswerLink.objects.count() == 1


def test_it_makes_no_link_to_an_answer_that_has_not_ended_or_for_other_days(api: Client, question: Question) -> None:
    assert send(api, "post", f"/questions/{question.id}/links", {"days": 2}).status_code == 422
    Answer.objects.update(state=AnswerState.STREAMING)
    assert send(api, "post", f"/questions/{question.id}/links", {"days": 1}).status_code == 409


# ---------------------------------------------------------------------------------------------------- verdicts


@pytest.fixture
def cell(collection: Collection, alice: User) -> Cell:
    sweep = Sweep.objects.create(checklist=Checklist.objects.create(collection=collection, owner=alice, questions=["How much?"]))
    swept = SweptDocument.objects.create(sweep=sweep, number=0, name="a.txt", path="a.txt", sha256="0")
    return Cell.objects.create(document=swept, question=0, answer="90", found=True)


def test_it_sets_reads_changes_and_clears_a_verdict(api: Client, cell: Cell) -> None:
    path = f"/cells/{cell.id}"
    assert api.get(ROOT + path).json()["verdict"] is None
    said = send(api, "put", f"{path}/verdict", {"judgement": "wrong", "note": "Clause 9\nsays 60."}).json()["verdict"]
    assert (said["judgement"], said["note"], said["by"]) == ("wrong", "Clause 9\nsays 60.", "alice")
    (row,) = api.get(f"{ROOT}/sweeps/{cell.document.sweep_id}/cells").json()["items"]
    assert (row["id"], row["verdict"]) == (str(cell.id), said)
    assert send(api, "put", f"{path}/verdict", {"judgement": "confirmed"}).json()["verdict"]["note"] == ""
    assert api.delete(f"{ROOT}{path}/verdict").status_code == 204
    assert api.get(ROOT + path).json()["verdict"] is None
    assert not Verdict.objects.exists()


@pytest.mark.parametrize("body", [{"judgement": "maybe"}, {"note": "x" * 2001}, {"note": "a\x00b"}])
def test_it_refuses_what_is_no_verdict(api: Client, cell: Cell, body: dict[str, str]) -> None:
    answer = send(api, "put", f"/cells/{cell.id}/verdict", body)
    assert (answer.status_code, list(answer.json())) == (422, ["error"])


# ---------------------------------------------------------------------------------------------------- questions, sweeps


def test_it_puts_a_ready_list_to_a_collection(api: Client, collection: Collection) -> None:
    document_of(collection)
    lists = {row["key"]: row["questions"] for row in api.get(f"{ROOT}/ready-lists").json()["items"]}
    assert set(lists) == {"contracts", "repositories"}
    made = send(api, "post", f"/collections/{collection.id}/sweeps", {"ready": "contracts", "questions": ["What colour is it?"]})
    ready = ready_list("contracts")
    assert ready is not None
    assert made.json()["questions"] == [*ready.questions, "What colour is it?"]
    assert api.get(f"{ROOT}/collections/{collection.id}/sweeps").json()["count"] == 1
    assert send(api, "post", f"/collections/{collection.id}/sweeps", {"ready": "poems"}).status_code == 422
    assert send(api, "post", f"/collections/{collection.id}/sweeps", {}).status_code == 409


def test_it_asks_only_some_documents(api: Client, collection: Collection) -> None:
    ready = {"collection": collection, "sha256": "0", "state": DocumentState.READY}
    rows = [Document.objects.create(name=name, path=name, is_archive=name == "z.zip", **ready) for name in ("a.txt", "b.txt", "z.zip")]
    inside = Document.objects.create(archive=rows[2], name="c", path="z.zip/c", **ready)
    path = f"/collections/{collection.id}/questions"

    def left_out(**body: list[str]) -> list[str]:
        asked = send(api, "post", path, {"question": "How much?", **body})
        return [row["path"] for row in Question.objects.get(id=asked.json()["id"]).left_out]

    assert left_out(only=[str(rows[0].id)]) == ["b.txt", "z.zip/c"]
    assert left_out(only=[str(rows[2].id)]) == ["a.txt", "b.txt"]
    assert left_out(only=[str(inside.id), str(rows[0].id)], left_out=[str(rows[0].id)]) == ["a.txt", "b.txt"]
    assert left_out() == []
    assert send(api, "post", path, {"question": "How much?", "only": [str(uuid4())]}).status_code == 409


# ---------------------------------------------------------------------------------------------------- conversations


def test_it_lists_reads_renames_and_deletes_a_conversation(api: Client, alice: User, question: Question) -> None:
    after = Question.objects.create(
        conversation=question.conversation, collection=question.collection, owner=alice, text="And then?", follows=question
    )
    job = Job.objects.create(owner=alice, kind=JobKind.ANSWER, label="And then?")
    Answer.objects.create(question=after, job=job)
    (listed,) = api.get(f"{ROOT}/conversations").json()["items"]
    assert (listed["title"], listed["words"]) == ("", "How much notice?")
    assert listed["questions"] == [str(question.id), str(after.id)]
    assert api.get(f"{ROOT}/collections/{question.collection_id}/conversations").json()["items"] == [listed]
    path = f"/conversations/{listed['id']}"
    turns = api.get(ROOT + path).json()["turns"]
    assert [(turn["question"], turn["answer"]["answer"]) for turn in turns] == [("How much notice?", "90 days"), ("And then?", "")]
    assert send(api, "patch", path, {"title": "  Notice \t periods "}).json()["title"] == "Notice periods"
    assert "<h3>Notice periods</h3>" in signed_in(alice).get(f"/collections/{question.collection_id}/").content.decode()
    assert send(api, "patch", path, {"title": "x" * 201}).status_code == 422
    exported = api.get(f"{ROOT}{path}/export.md")
    assert exported["Content-Disposition"] == 'attachment; filename="notice-periods.md"'
    assert api.delete(ROOT + path).status_code == 204
    job.refresh_from_db()
    assert (Question.objects.count(), job.state) == (0, JobState.CANCELLED)


def test_who_may_only_read_renames_what_they_began_and_nothing_else(bob: User, collection: Collection, question: Question) -> None:
    member_put(collection=collection, username="bob", may_change=False)
    own = Conversation.objects.create(collection=collection, owner=bob)
    reader = program(bob)
    paths = [f"/conversations/{id}" for id in (question.conversation_id, own.id)]
    assert [send(reader, "patch", path, {"title": "x"}).status_code for path in paths] == [403, 200]
    assert [reader.delete(ROOT + path).status_code for path in paths] == [403, 204]


def test_an_empty_conversation_is_no_file(api: Client, alice: User, collection: Collection) -> None:
    empty = Conversation.objects.create(collection=collection, owner=alice)
    assert api.get(f"{ROOT}/conversations/{empty.id}/export.md").status_code == 404


# ---------------------------------------------------------------------------------------------------- documents


def test_it_says_what_deleting_frees_and_gives_the_original_back(api: Client, collection: Collection) -> None:
    document = document_of(collection)
    held = api.get(f"{ROOT}/documents/{document.id}/holdings").json()
    files = [file for file in document.folder.folder.rglob("*") if file.is_file()]
    assert (held["files"], held["file_bytes"]) == (len(files), sum(file.stat().st_size for file in files))
    assert api.get(f"{ROOT}/collections/{collection.id}/holdings").json() == held
    original = api.get(f"{ROOT}/documents/{document.id}/original")
    assert (b"".join(original), original["X-Content-Type-Options"]) == (document.folder.original.read_bytes(), "nosniff")
    document.folder.original.unlink()
    assert api.get(f"{ROOT}/documents/{document.id}/original").status_code == 404
