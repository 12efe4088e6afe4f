"""The API does what the pages do, for the owner of the token and for nobody else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from webapp.accounts.models import ApiToken, User
from webapp.accounts.services import token_create
from webapp.api import limits
from webapp.ask.models import Answer, AnswerState, Citation, Question
from webapp.core import counting
from webapp.jobs.models import Job, JobKind, JobState
from webapp.library.models import Collection, Document, DocumentState

ROOT = "/api/v1"
Make = Callable[..., Document]


def client_of(user: User) -> Client:
    _, token = token_create(owner=user, name="test")
    return Client(headers={"authorization": f"Bearer {token}"})


@pytest.fixture
def api(alice: User, clean_broker: None) -> Client:
    return client_of(alice)


@pytest.fixture
def make(collection: Collection) -> Make:
    def document(name: str = "lease.txt", state: str = DocumentState.READY, **fields: Any) -> Document:
        return Document.objects.create(collection=collection, name=name, path=name, sha256="0" * 64, state=state, **fields)

    return document


@pytest.fixture
def question(collection: Collection, alice: User) -> Question:
    question = Question.objects.create(collection=collection, owner=alice, text="How much notice?")
    answer = Answer.objects.create(question=question, state=AnswerState.DONE, text="90 days", found=True)
    Citation.objects.create(
        answer=answer, number=1, document_name="a.txt", document_path="a.txt", quote="90 days", start_char=1, end_char=8, verified=True
    )
    return question


def post(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(ROOT + path, body, content_type="application/json")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic YWxpY2U6eA=="])
def test_it_refuses_a_request_without_a_valid_token(alice: User, header: str) -> None:
    response = Client(headers={"authorization": header}).get(f"{ROOT}/collections")
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
    assert "token" in response.json()["error"]


def test_it_refuses_a_session_without_a_token(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get(f"{ROOT}/collections").status_code == 401


def test_it_refuses_the_token_of_an_account_that_is_switched_off(api: Client, alice: User) -> None:
    assert api.get(f"{ROOT}/collections").status_code == 200
    User.objects.filter(id=alice.id).update(is_active=False)
    assert api.get(f"{ROOT}/collections").status_code == 401


def test_it_notes_the_use_of_a_token_once_a_minute(api: Client) -> None:
    def used() -> Any:
        api.get(f"{ROOT}/collections")
        return ApiToken.objects.get().last_used_at

    first = used()
    assert first is not None
    assert used() == first
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    assert used() > first


def test_it_makes_lists_shows_and_deletes_a_collection(api: Client) -> None:
    made = post(api, "/collections", {"name": "  Leases "})
    assert (made.status_code, made.json()["name"]) == (201, "Leases")
    address = f"{ROOT}/collections/{made.json()['id']}"
    assert api.get(address).json() == made.json()
    assert api.get(f"{ROOT}/collections").json() == {"items": [made.json()], "count": 1}
    assert api.delete(address).status_code == 204
    assert api.get(address).status_code == 404


def test_it_answers_each_uploaded_file_by_itself(
    api: Client, collection: Collection, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    files = [SimpleUploadedFile("lease.txt", b"Ninety days."), SimpleUploadedFile("empty.txt", b"")]
    with django_capture_on_commit_callbacks(execute=True):
        response = api.post(f"{ROOT}/collections/{collection.id}/documents", {"files": files})
    taken, refused = response.json()["files"]
    assert response.status_code == 202
    assert (taken["name"], taken["document"]["state"], taken["document"]["size_bytes"]) == ("lease.txt", "uploaded", 12)
    assert (refused["document"], "empty" in refused["reason"]) == (None, True)
    shown = api.get(f"{ROOT}/documents/{taken['document']['id']}").json()
    assert shown["progress"]["job"] == api.get(f"{ROOT}/jobs").json()["items"][0]["id"]


def test_it_shows_progress_notes_and_error_of_a_document(api: Client, alice: User, make: Make) -> None:
    document = make(state=DocumentState.PARSING, notes=["Page 3 has no text."], error="")
    job = Job.objects.create(
        owner=alice, document=document, kind=JobKind.PARSE, state=JobState.RUNNING, stage="reading pages", done=3, total=9, unit="pages"
    )
    shown = api.get(f"{ROOT}/documents/{document.id}").json()
    assert shown["progress"] == {"job": str(job.id), "stage": "reading pages", "done": 3, "total": 9, "unit": "pages"} | {
        "per_second": None,
        "seconds_left": None,
    }
    assert shown["notes"] == ["Page 3 has no text."]
    Job.objects.update(state=JobState.FAILED)
    Document.objects.update(state=DocumentState.FAILED, error="This PDF is damaged.")
    shown = api.get(f"{ROOT}/documents/{document.id}").json()
    assert (shown["state"], shown["error"], shown["progress"]) == ("failed", "This PDF is damaged.", None)


def test_it_reads_a_failed_document_again(api: Client, alice: User, make: Make) -> None:
    document = make(state=DocumentState.FAILED)
    job = Job.objects.create(owner=alice, document=document, kind=JobKind.PARSE, state=JobState.FAILED)
    assert api.post(f"{ROOT}/documents/{document.id}/retry").status_code == 202
    job.refresh_from_db()
    assert job.state == JobState.QUEUED


def test_it_deletes_a_document(api: Client, make: Make) -> None:
    document = make()
    assert api.delete(f"{ROOT}/documents/{document.id}").status_code == 204
    assert not Document.objects.exists()


def test_it_asks_and_answers_with_ids(api: Client, collection: Collection, make: Make) -> None:
    make()
    response = post(api, f"/collections/{collection.id}/questions", {"question": "How much notice?"})
    assert response.status_code == 202
    question = Question.objects.get(id=response.json()["id"])
    assert response.json() == {"id": str(question.id), "job": str(question.answer.job_id), "state": "waiting"}
    assert api.get(f"{ROOT}/jobs/{question.answer.job_id}").json()["kind"] == "answer"


def test_it_asks_on_and_leaves_documents_out(api: Client, collection: Collection, make: Make) -> None:
    kept, out = make(), make()
    asking = f"/collections/{collection.id}/questions"
    first = post(api, asking, {"question": "How much notice?", "left_out": [str(out.id)]}).json()["id"]
    second = post(api, asking, {"question": "And the tenant?", "follows": first}).json()["id"]
    records = [api.get(f"{ROOT}/questions/{question}").json() for question in (first, second)]
    assert records[0]["left_out"] == [{"document": str(out.id), "path": out.path}]
    assert (records[1]["follows"], records[1]["conversation"]) == (first, records[0]["conversation"])
    assert post(api, asking, {"question": "And?", "follows": str(kept.id)}).status_code == 404


@pytest.mark.parametrize("text", ["", "  ", "x" * 2001])
def test_it_refuses_a_question_that_cannot_be_asked_with_a_sentence(api: Client, collection: Collection, make: Make, text: str) -> None:
    make()
    response = post(api, f"/collections/{collection.id}/questions", {"question": text})
    assert response.status_code == 409
    assert response.json()["error"].endswith(".")


def test_it_refuses_to_ask_an_empty_collection(api: Client, collection: Collection) -> None:
    response = post(api, f"/collections/{collection.id}/questions", {"question": "How much?"})
    assert (response.status_code, Question.objects.count()) == (409, 0)


def test_it_limits_how_often_a_user_asks(
    api: Client, alice: User, bob: User, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "QUESTIONS_A_MINUTE", 2)
    monkeypatch.setattr(counting.time, "time", lambda: 6_000_000.0)
    path = f"/collections/{collection.id}/questions"
    assert [post(api, path, {"question": "?"}).status_code for _ in range(3)] == [409, 409, 429]
    assert post(client_of(alice), path, {"question": "?"}).status_code == 429
    assert post(client_of(bob), path, {"question": "?"}).status_code == 404


def test_it_gives_the_answer_with_its_citations(api: Client, question: Question) -> None:
    record = api.get(f"{ROOT}/questions/{question.id}").json()
    assert (record["state"], record["answer"]["answer"]) == ("done", "90 days")
    assert record["answer"]["citations"][0]["verified"] is True
    listed = api.get(f"{ROOT}/questions").json()["items"][0]
    assert (listed["id"], listed["state"], listed["answer"]) == (str(question.id), "done", "90 days")


def test_it_stops_an_answer_that_waits(api: Client, alice: User, question: Question) -> None:
    job = Job.objects.create(owner=alice, kind=JobKind.ANSWER, label="x")
    Answer.objects.update(state=AnswerState.WAITING, job=job)
    assert api.post(f"{ROOT}/questions/{question.id}/stop").json()["state"] == "stopped"
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_it_exports_json_and_markdown_and_no_other_form(api: Client, question: Question) -> None:
    base = f"{ROOT}/questions/{question.id}/export."
    assert api.get(base + "json").json()["question"] == "How much notice?"
    assert b"90 days" in api.get(base + "md").content
    assert api.get(base + "md")["Content-Disposition"].startswith("attachment")
    assert api.get(base + "exe").status_code == 422


def test_it_hides_what_belongs_to_somebody_else(bob: User, alice: User, collection: Collection, make: Make, question: Question) -> None:
    document, stranger = make(), client_of(bob)
    job = Job.objects.create(owner=alice, document=document, kind=JobKind.PARSE)
    paths = [
        ("get", f"/collections/{collection.id}"),
        ("delete", f"/collections/{collection.id}"),
        ("get", f"/collections/{collection.id}/documents"),
        ("get", f"/collections/{collection.id}/questions"),
        ("get", f"/documents/{document.id}"),
        ("delete", f"/documents/{document.id}"),
        ("post", f"/documents/{document.id}/retry"),
        ("get", f"/jobs/{job.id}"),
        ("get", f"/questions/{question.id}"),
        ("post", f"/questions/{question.id}/stop"),
        ("get", f"/questions/{question.id}/export.json"),
    ]
    assert [(path, getattr(stranger, method)(ROOT + path).status_code) for method, path in paths] == [(path, 404) for _, path in paths]
    upload = stranger.post(f"{ROOT}/collections/{collection.id}/documents", {"files": [SimpleUploadedFile("a.txt", b"a")]})
    assert upload.status_code == 404
    assert post(stranger, f"/collections/{collection.id}/questions", {"question": "?"}).status_code == 404
    for path in ("collections", "jobs", "questions"):
        assert stranger.get(f"{ROOT}/{path}").json() == {"items": [], "count": 0}
    assert Document.objects.count() == 1


def test_it_answers_every_error_as_a_sentence(api: Client, collection: Collection) -> None:
    answers = [
        (404, api.get(f"{ROOT}/documents/{uuid4()}")),
        (422, api.get(f"{ROOT}/documents/not-an-id")),
        (422, post(api, "/collections", {})),
        (422, post(api, "/collections", {"name": "x" * 121})),
        (422, post(api, "/collections", {"name": "a\x00b"})),
        (422, api.post(f"{ROOT}/collections/{collection.id}/documents")),
        (400, api.post(f"{ROOT}/collections", b"{", content_type="application/json")),
    ]
    assert [response.status_code for _, response in answers] == [status for status, _ in answers]
    assert all(list(response.json()) == ["error"] and response.json()["error"] for _, response in answers)


def test_it_gives_a_page_of_a_list_and_limits_its_size(api: Client, make: Make, collection: Collection) -> None:
    for number in range(5):
        make(f"{number}.txt")
    address = f"{ROOT}/collections/{collection.id}/documents"
    page = api.get(f"{address}?limit=2&offset=2").json()
    assert ([item["name"] for item in page["items"]], page["count"]) == (["2.txt", "3.txt"], 5)
    assert api.get(f"{address}?limit=201").status_code == 422


@pytest.mark.parametrize("count", [1, 12])
def test_it_lists_in_as_many_queries_for_many_rows_as_for_one(
    api: Client, alice: User, collection: Collection, make: Make, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(count):
        Job.objects.create(owner=alice, document=make(f"{number}.txt"), kind=JobKind.PARSE)
        Answer.objects.create(question=Question.objects.create(collection=collection, owner=alice, text="?"))
    api.get(f"{ROOT}/collections")
    for path, queries in [
        (f"/collections/{collection.id}/documents", 5),
        (f"/collections/{collection.id}/questions", 4),
        ("/questions", 3),
        ("/jobs", 3),
        ("/collections", 3),
    ]:
        with django_assert_num_queries(queries):
            api.get(ROOT + path)


def test_it_describes_itself(client: Client, db: None) -> None:
    description = client.get(f"{ROOT}/openapi.json").json()
    assert {"/api/v1/collections", "/api/v1/questions/{question_id}"} <= set(description["paths"])
    assert description["components"]["securitySchemes"]["TokenAuth"]["scheme"] == "bearer"
