"""How programs call: scopes, once and only once, limits, files in parts, answers as they come, and one form of error everywhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import AsyncClient, Client
from django.utils import timezone

from webapp.accounts.models import ApiToken, Scope, User
from webapp.accounts.services import token_create
from webapp.api import limits, parts, streaming
from webapp.api.api import api as ninja
from webapp.api.models import PartialUpload, Reply
from webapp.ask import event_log
from webapp.ask.models import Answer, AnswerState, Question
from webapp.core import counting
from webapp.library.models import Collection, Document, DocumentState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker")]

ROOT = "/api/v1"
EVIL = "<script>alert(1)</script>"


def client_of(user: User, **named: Any) -> Client:
    return Client(headers={"authorization": f"Bearer {token_create(owner=user, name='test', **named)[1]}"})


@pytest.fixture
def api(alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def question(collection: Collection, alice: User) -> Question:
    question = Question.objects.create(collection=collection, owner=alice, text="How much notice?")
    Answer.objects.create(question=question)
    return question


def post(client: Client, path: str, body: dict[str, Any], **headers: str) -> Any:
    return client.post(ROOT + path, body, content_type="application/json", headers=headers)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------- tokens


def test_it_lets_a_reading_token_read_and_change_nothing(alice: User, collection: Collection) -> None:
    reader = client_of(alice, scope=Scope.READ)
    assert reader.get(f"{ROOT}/collections/{collection.id}").status_code == 200
    refused = [post(reader, "/collections", {"name": "x"}), reader.delete(f"{ROOT}/collections/{collection.id}")]
    refused.append(reader.patch(f"{ROOT}/collections/{collection.id}", {"name": "x"}, content_type="application/json"))
    refused.append(reader.put(f"{ROOT}/uploads/{uuid4()}?offset=0", b"x", content_type="application/octet-stream"))
    refused.append(post(reader, "/collections", {"name": "x"}, **{"idempotency-key": "k"}))
    assert [(response.status_code, list(response.json())) for response in refused] == [(403, ["error"])] * 5
    assert Collection.objects.get().name == "Contracts"


def test_it_refuses_a_token_that_has_expired(alice: User) -> None:
    client = client_of(alice, days=1)
    assert client.get(f"{ROOT}/collections").status_code == 200
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(f"{ROOT}/collections").status_code == 401


# ---------------------------------------------------------------------------------------------------- once and only once


def test_it_does_a_request_with_a_key_once(api: Client) -> None:
    answers = [post(api, "/collections", {"name": "Novels"}, **{"idempotency-key": "one"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert [answer.json() for answer in answers] == [answers[0].json()] * 3
    assert [answer.get("Idempotency-Replayed") for answer in answers] == [None, "true", "true"]
    assert Collection.objects.count() == 1
    assert post(api, "/collections", {"name": "Novels"}, **{"idempotency-key": "two"}).json() != answers[0].json()


def test_it_refuses_a_key_with_another_request(api: Client, collection: Collection) -> None:
    post(api, "/collections", {"name": "Novels"}, **{"idempotency-key": "one"})
    assert post(api, "/collections", {"name": "Poems"}, **{"idempotency-key": "one"}).status_code == 422
    assert post(api, f"/collections/{collection.id}/questions", {"question": "?"}, **{"idempotency-key": "one"}).status_code == 422
    assert post(api, "/collections", {"name": "Novels"}, **{"idempotency-key": "x" * 201}).status_code == 422
    assert Collection.objects.filter(name="Poems").count() == 0


def test_it_keeps_keys_apart_by_user_and_for_a_day(api: Client, bob: User) -> None:
    first = post(api, "/collections", {"name": "Novels"}, **{"idempotency-key": "one"}).json()
    assert post(client_of(bob), "/collections", {"name": "Poems"}, **{"idempotency-key": "one"}).status_code == 201
    Reply.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert post(api, "/collections", {"name": "Novels"}, **{"idempotency-key": "one"}).json() != first


def test_it_lets_a_refused_request_come_again_and_one_at_work_wait(api: Client, alice: User, collection: Collection) -> None:
    path = f"/collections/{collection.id}/questions"
    assert post(api, path, {"question": "How much?"}, **{"idempotency-key": "one"}).status_code == 409
    Document.objects.create(collection=collection, name="a", path="a", sha256="0" * 64, state=DocumentState.READY)
    assert post(api, path, {"question": "How much?"}, **{"idempotency-key": "one"}).status_code == 202
    Reply.objects.update(status=0)
    assert post(api, path, {"question": "How much?"}, **{"idempotency-key": "one"}).status_code == 409
    Reply.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    assert post(api, path, {"question": "How much?"}, **{"idempotency-key": "one"}).status_code == 202
    assert Question.objects.count() == 2


def test_it_knows_the_same_files_again_whatever_stands_between_them(api: Client, collection: Collection) -> None:
    def upload(content: bytes) -> Any:
        files = {"files": [SimpleUploadedFile("lease.txt", content)]}
        return api.post(f"{ROOT}/collections/{collection.id}/documents", files, headers={"idempotency-key": "one"})

    first, again, other = upload(b"Ninety days."), upload(b"Ninety days."), upload(b"Thirty days.")
    assert (first.json(), other.status_code) == (again.json(), 422)
    assert Document.objects.count() == 1


# ---------------------------------------------------------------------------------------------------- limits


def test_it_limits_calls_by_user_and_says_when_to_come_back(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CALLS_A_MINUTE", 2)
    monkeypatch.setattr(counting.time, "time", lambda: 6_000_010.0)
    calls = [client_of(alice).get(f"{ROOT}/collections") for _ in range(3)]
    assert [call.status_code for call in calls] == [200, 200, 429]
    assert (calls[2]["Retry-After"], list(calls[2].json())) == ("50", ["error"])
    assert client_of(bob).get(f"{ROOT}/collections").status_code == 200


# ---------------------------------------------------------------------------------------------------- files in parts


@pytest.fixture
def upload(api: Client, collection: Collection) -> str:
    made = post(api, f"/collections/{collection.id}/uploads", {"name": "../lease.txt", "size_bytes": 10})
    assert (made.status_code, made.json()["offset"], made.json()["name"]) == (201, 0, "lease.txt")
    return str(made.json()["id"])


def part(client: Client, upload: str, offset: int, content: bytes) -> Any:
    return client.put(f"{ROOT}/uploads/{upload}?offset={offset}", content, content_type="application/octet-stream")


def test_it_takes_a_file_in_parts_and_goes_on_where_it_was_cut(api: Client, upload: str) -> None:
    assert part(api, upload, 0, b"Nine").json()["offset"] == 4
    refused = part(api, upload, 0, b"Nine")
    assert (refused.status_code, "offset=4" in refused.json()["error"]) == (409, True)
    assert part(api, upload, 5, b"x").status_code == 409
    assert post(api, f"/uploads/{upload}/finish", {}).status_code == 409
    assert api.get(f"{ROOT}/uploads/{upload}").json()["offset"] == 4
    assert part(api, upload, 4, b"ty day").json()["offset"] == 10
    digest = hashlib.sha256(b"Ninety day").hexdigest()
    made = post(api, f"/uploads/{upload}/finish", {"sha256": digest})
    assert (made.status_code, made.json()["name"], made.json()["state"]) == (202, "lease.txt", "uploaded")
    document = Document.objects.get()
    assert (document.sha256, document.folder.original.read_bytes()) == (digest, b"Ninety day")
    assert api.get(f"{ROOT}/uploads").json() == {"items": [], "count": 0}
    assert not list((settings.LONGREAD_HOME / "uploads").glob(upload))


def test_it_takes_no_more_than_was_said_and_no_longer_part_than_it_says(api: Client, upload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert part(api, upload, 0, b"x" * 11).status_code == 409
    monkeypatch.setattr(parts, "PART_BYTES", 4)
    assert part(api, upload, 0, b"x" * 5).status_code == 409
    assert api.get(f"{ROOT}/uploads/{upload}").json()["offset"] == 0


def test_it_refuses_what_arrived_otherwise_and_deletes_it_when_told(api: Client, upload: str) -> None:
    part(api, upload, 0, b"x" * 10)
    assert post(api, f"/uploads/{upload}/finish", {"sha256": "0" * 64}).status_code == 409
    assert api.delete(f"{ROOT}/uploads/{upload}").status_code == 204
    assert api.get(f"{ROOT}/uploads/{upload}").status_code == 404
    assert not Document.objects.exists()


def test_it_limits_how_large_and_how_many_and_forgets_what_nobody_goes_on_with(api: Client, alice: User, collection: Collection) -> None:
    path = f"/collections/{collection.id}/uploads"
    assert post(api, path, {"name": "a", "size_bytes": settings.LONGREAD_UPLOAD_BYTES + 1}).status_code == 409
    for _ in range(parts.MOST_AT_ONCE):
        assert post(api, path, {"name": "a", "size_bytes": 1}).status_code == 201
    assert post(api, path, {"name": "a", "size_bytes": 1}).status_code == 409
    PartialUpload.objects.update(updated_at=timezone.now() - timedelta(hours=25))
    assert post(api, path, {"name": "a", "size_bytes": 1}).status_code == 201
    assert PartialUpload.objects.count() == 1


def test_it_shows_an_upload_to_nobody_else(bob: User, upload: str) -> None:
    other = client_of(bob)
    assert [other.get(f"{ROOT}/uploads/{upload}").status_code, part(other, upload, 0, b"x").status_code] == [404, 404]


# ---------------------------------------------------------------------------------------------------- answers as they come


@pytest.mark.django_db(transaction=True)
def test_it_streams_events_as_json_and_ends_with_the_record(alice: User, question: Question) -> None:
    token = token_create(owner=alice, name="test")[1]
    event_log.write(question.answer.id, "token", {"text": f"90\n{EVIL}"})
    event_log.write(question.answer.id, event_log.END, {})
    Answer.objects.update(state=AnswerState.DONE, text="90 days", found=True)
    response, blocks = asyncio.run(streamed(question, token))
    assert (response["Content-Type"], response["Cache-Control"], response["X-Accel-Buffering"]) == ("text/event-stream", "no-cache", "no")
    assert [block["event"] for block in blocks] == ["token", "done"]
    assert json.loads(blocks[0]["data"]) == {"text": f"90\n{EVIL}"}
    assert json.loads(blocks[1]["data"])["answer"]["answer"] == "90 days"
    _, again = asyncio.run(streamed(question, token, after=blocks[0]["id"]))
    assert [block["event"] for block in again] == ["done"]


async def streamed(question: Question, token: str, after: str = "") -> tuple[Any, list[dict[str, str]]]:
    headers = {"authorization": f"Bearer {token}", "last-event-id": after}
    response: Any = await AsyncClient().get(f"{ROOT}/questions/{question.id}/stream", headers=headers)
    text = b"".join([piece async for piece in response.streaming_content]).decode()
    return response, [dict(line.split(": ", 1) for line in block.split("\n")) for block in text.strip().split("\n\n")]  # type: ignore[misc]


def test_it_waits_for_the_end_of_an_answer_and_no_longer(api: Client, question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_: float) -> None:
        Answer.objects.update(state=AnswerState.DONE, text="90 days")

    monkeypatch.setattr(streaming.time, "sleep", answer)
    assert api.get(f"{ROOT}/questions/{question.id}?wait=60").json()["state"] == "done"
    Answer.objects.update(state=AnswerState.STREAMING)
    monkeypatch.setattr(streaming.time, "sleep", lambda _: None)
    ticks = iter(range(0, 1000, 30))
    monkeypatch.setattr(streaming.time, "monotonic", lambda: next(ticks))
    assert api.get(f"{ROOT}/questions/{question.id}?wait=60").json()["state"] == "streaming"
    assert api.get(f"{ROOT}/questions/{question.id}?wait=61").status_code == 422


def test_it_gives_the_answer_to_who_asks_and_waits(api: Client, collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    Document.objects.create(collection=collection, name="a", path="a", sha256="0" * 64, state=DocumentState.READY)
    monkeypatch.setattr(streaming.time, "sleep", lambda _: Answer.objects.update(state=AnswerState.DONE, text="90 days"))
    path = f"/collections/{collection.id}/questions"
    asked = post(api, f"{path}?wait=5", {"question": "How much?"})
    assert (asked.status_code, asked.json()["answer"]["answer"]) == (200, "90 days")
    assert post(api, path, {"question": "How much?"}).status_code == 202


# ---------------------------------------------------------------------------------------------------- changing documents


def test_it_renames_and_moves_a_document(api: Client, alice: User, bob: User, collection: Collection) -> None:
    document = Document.objects.create(collection=collection, name="a.txt", path="a.txt", sha256="0" * 64, state=DocumentState.FAILED)
    target, foreign = Collection.objects.create(owner=alice, name="B"), Collection.objects.create(owner=bob, name="C")

    def patch(**body: str) -> Any:
        return api.patch(f"{ROOT}/documents/{document.id}", body, content_type="application/json")

    assert patch(name="b", collection=str(target.id)).json()["collection"] == str(target.id)
    assert patch(collection=str(foreign.id)).status_code == 404
    assert patch(name=" ").status_code == 422
    Document.objects.update(state=DocumentState.PARSING)
    assert patch(collection=str(collection.id)).status_code == 409
    document.refresh_from_db()
    assert (document.name, document.collection) == ("b.txt", target)


# ---------------------------------------------------------------------------------------------------- words about itself


def test_it_says_every_error_in_one_form(api: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [api.get(f"{ROOT}/nowhere"), api.post(f"{ROOT}/nowhere"), api.put(f"{ROOT}/collections")]
    monkeypatch.setattr("webapp.api.collections.collection_list", lambda **_: 1 / 0)
    answers.append(api.get(f"{ROOT}/collections"))
    assert [answer.status_code for answer in answers] == [404, 404, 405, 500]
    assert all(list(answer.json()) == ["error"] for answer in answers)
    assert answers[2]["Allow"]


def test_it_describes_itself_in_openapi_3_1_with_every_error(client: Client) -> None:
    description = client.get(f"{ROOT}/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    operations = [operation for methods in description["paths"].values() for operation in methods.values()]
    assert all({"401", "404", "422", "429"} <= operation["responses"].keys() for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_it_has_a_page_of_every_operation_without_scripts(client: Client) -> None:
    page = client.get(f"{ROOT}/docs").content.decode()
    for path, methods in ninja.get_openapi_schema()["paths"].items():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page, path
    assert page.count("<script") == client.get("/login/", follow=True).content.decode().count("<script")
    assert not [attribute for attribute in ("src", "href") if f'{attribute}="http' in page], "nothing comes from elsewhere"
