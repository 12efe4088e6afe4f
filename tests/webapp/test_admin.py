"""The admin shows every row to staff, changes none but accounts, and never shows a secret."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from webapp.accounts.models import ApiToken, Invitation, SignIn, User
from webapp.accounts.services import token_create
from webapp.api.models import PartialUpload, Reply
from webapp.ask.models import Answer, AnswerState, Citation, Conversation, Question
from webapp.checklist.models import Cell, Checklist, Sweep, SweptDocument, Verdict
from webapp.export.models import Export
from webapp.jobs.models import DiskReading, Job, JobKind, Worker
from webapp.library.models import Collection, Document, Membership, Page
from webapp.sharing.models import AnswerLink
from webapp.sharing.services import link_create

OURS = [model for model in apps.get_models() if model.__module__.startswith("webapp.")]
# Staff may take these back, and add or change none.
TAKEN_BACK = (User, ApiToken, Invitation, AnswerLink)


@pytest.fixture
def rows(alice: User, collection: Collection) -> str:
    """One row of every model; the token's clear text."""
    document = Document.objects.create(collection=collection, name="a.pdf", path="a.pdf", sha256="0" * 64)
    Page.objects.create(document=document, number=1, start_char=0, end_char=9, width=600, height=800)
    job = Job.objects.create(owner=alice, document=document, kind=JobKind.PARSE, label="a.pdf")
    conversation = Conversation.objects.create(collection=collection, owner=alice)
    question = Question.objects.create(conversation=conversation, collection=collection, owner=alice, text="How much?")
    answer = Answer.objects.create(question=question, job=job, state=AnswerState.DONE)
    Membership.objects.create(collection=collection, user=alice)
    Invitation.objects.create(owner=alice, prefix="x", digest="x", expires_at=timezone.now())
    PartialUpload.objects.create(owner=alice, collection=collection, name="a.pdf", size_bytes=1)
    Reply.objects.create(owner=alice, key="k", digest="x")
    SignIn.objects.create(user=alice, session_key="x")
    link_create(answer=answer, owner=alice, days=1)
    Citation.objects.create(answer=answer, number=1, document_name="a.pdf", document_path="a.pdf", quote="90", start_char=0, end_char=2)
    sweep = Sweep.objects.create(checklist=Checklist.objects.create(collection=collection, owner=alice, questions=["How much?"]))
    swept = SweptDocument.objects.create(sweep=sweep, document=document, number=0, name="a.pdf", path="a.pdf", sha256="0" * 64)
    Verdict.objects.create(cell=Cell.objects.create(document=swept, question=0, answer="90"), person=alice, judgement="confirmed", note="a")
    made = Job.objects.create(owner=alice, kind=JobKind.EXPORT, label="a.csv")
    named = {"source": "question", "source_id": question.id, "form": "csv", "file_name": "a.csv"}
    Export.objects.create(owner=alice, collection=collection, job=made, **named)
    Worker.objects.create(name="ingest@here", queue="ingest", pid=7, started_at=timezone.now(), seen_at=timezone.now())
    DiskReading.objects.create(free_bytes=1, total_bytes=2)
    return token_create(owner=alice, name="laptop")[1]


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("root", password="correct horse battery"))
    return client


def test_it_registers_every_model() -> None:
    assert len(OURS) >= 9
    assert not [model.__name__ for model in OURS if model not in admin.site._registry]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_it_lists_searches_and_shows_every_model(operator: Client, rows: str, model: type[Document]) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.first()
    assert row is not None
    assert operator.get(reverse(f"{name}_changelist"), {"q": "a"}).status_code == 200
    assert operator.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


def test_it_shows_no_digest_no_salt_and_no_token(operator: Client, rows: str, alice: User) -> None:
    token = ApiToken.objects.get()
    pages = [
        operator.get(reverse(address, args=arguments)).content.decode()
        for address, arguments in [
            ("admin:accounts_apitoken_changelist", []),
            ("admin:accounts_apitoken_change", [token.id]),
            ("admin:accounts_user_change", [alice.id]),
        ]
    ]
    assert token.prefix in pages[1]
    assert not [secret for secret in (token.digest, alice.salt, rows, alice.password) for page in pages if secret in page]


@pytest.mark.parametrize("model", [model for model in OURS if model not in TAKEN_BACK], ids=lambda model: model.__name__)
def test_it_lets_nobody_add_change_or_delete_rows_past_the_services(operator: Client, rows: str, model: type[Document]) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.first()
    assert row is not None
    assert operator.get(reverse(f"{name}_add")).status_code == 403
    assert operator.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
    assert operator.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_it_switches_accounts_off_and_deletes_none(operator: Client, alice: User) -> None:
    assert operator.post(reverse("admin:accounts_user_delete", args=[alice.id]), {"post": "yes"}).status_code == 403
    assert User.objects.filter(id=alice.id).exists()


def test_it_takes_a_token_back(operator: Client, rows: str) -> None:
    token = ApiToken.objects.get()
    operator.post(reverse("admin:accounts_apitoken_delete", args=[token.id]), {"post": "yes"})
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("count", [1, 12])
def test_it_lists_many_documents_in_as_many_queries_as_one(
    operator: Client, collection: Collection, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(count):
        Document.objects.create(collection=collection, name=f"{number}.txt", path=f"{number}.txt", sha256="0" * 64)
    address = reverse("admin:library_document_changelist")
    operator.get(address)
    with django_assert_num_queries(6):
        operator.get(address)
