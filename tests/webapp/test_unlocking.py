"""A document that needs a password: its state, its page, the API, and how often a password may be tried."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tests.ingest import pdfs
from webapp.accounts.models import User
from webapp.accounts.services import token_create
from webapp.api.models import Reply
from webapp.jobs import running
from webapp.jobs.models import JobKind, JobState
from webapp.jobs.running import run_job
from webapp.library.models import Collection, Document, DocumentState
from webapp.library.selectors import collection_counts
from webapp.upload import pipeline, unlocking
from webapp.upload.services import files_accept
from webapp.upload.unlocking import UnlockRefused, document_unlock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker"), pytest.mark.weights]

LOCKED = pdfs.encrypted(pdfs.pages_of_text([(72, 72, "The notice is ninety days.")]))


@pytest.fixture(autouse=True)
def no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread would meet the test's own connection."""
    monkeypatch.setattr(running, "HEARTBEAT_SECONDS", 600)


def parse(document: Document) -> Document:
    job = document.jobs.filter(kind=JobKind.PARSE).latest("created_at")
    run_job(str(job.id), "test", pipeline.parse_document)
    document.refresh_from_db()
    return document


@pytest.fixture
def document(collection: Collection) -> Document:
    (outcome,) = files_accept(collection=collection, files=[SimpleUploadedFile("lease.pdf", LOCKED)])
    assert outcome.document
    return parse(outcome.document)


@pytest.fixture
def page(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def post(client: Client, document: Document, password: str) -> Any:
    return client.post(reverse("upload-unlock", args=[document.id]), {"password": password}, follow=True)


def test_it_waits_for_its_password_and_nothing_has_failed(document: Document, collection: Collection) -> None:
    assert (document.state, document.is_askable, document.is_settled) == (DocumentState.LOCKED, False, True)
    assert "needs a password" in document.error
    assert document.jobs.get().state == JobState.DONE
    assert collection_counts(collection=collection).state == "1 needs a password"


def test_it_is_read_when_the_right_one_is_typed(document: Document, page: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    about = page.get(reverse("library-about", args=[document.id])).content.decode()
    assert 'type="password"' in about
    assert "kept nowhere" in about
    assert "does not open the PDF" in post(page, document, "Secret").content.decode()
    assert "Type the password first" in post(page, document, "").content.decode()
    post(page, document, "secret")
    assert parse(document).state == DocumentState.PARSED
    assert document.error == ""
    assert "ninety days" in document.folder.parsed.text.read_text()
    assert page.get(reverse("library-page-image", args=[document.id, 1])).status_code == 200
    assert "secret" not in caplog.text
    with pytest.raises(UnlockRefused, match="needs no password"):
        document_unlock(document=document, password="secret", user=document.collection.owner)


def test_it_may_be_tried_so_often_and_then_the_right_one_waits_too(
    document: Document, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unlocking, "MOST_OF_DOCUMENT", 2)
    for _ in range(2):
        with pytest.raises(UnlockRefused, match="does not open"):
            document_unlock(document=document, password="wrong", user=alice)
    with pytest.raises(UnlockRefused, match=r"Too many passwords were tried\. Wait .+, then type the right one"):
        document_unlock(document=document, password="secret", user=alice)
    assert not document.folder.unlocked.exists()


def test_a_program_unlocks_it_and_nothing_keeps_the_password(document: Document, alice: User) -> None:
    api = Client(headers={"authorization": f"Bearer {token_create(owner=alice, name='test')[1]}"})

    def send(password: str) -> Any:
        headers = {"idempotency-key": "one"}
        address = f"/api/v1/documents/{document.id}/unlock"
        return api.post(address, {"password": password}, content_type="application/json", headers=headers)

    assert api.get(f"/api/v1/documents/{document.id}").json()["state"] == "locked"
    refused = send("wrong")
    assert (refused.status_code, "does not open the PDF" in refused.json()["error"]) == (409, True)
    assert (send("secret").status_code, send("secret").json()["state"]) == (202, "uploaded")
    reply = Reply.objects.get()
    assert "secret" not in f"{reply.digest} {reply.body}"
    assert parse(document).state == DocumentState.PARSED
