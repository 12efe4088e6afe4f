"""Every address by who asks for it: one table, and nothing that the application answers is missing from it.

`login` is the way to the sign-in page, `link` any other redirect. A route of the table is tried with each of its methods; of the methods
that it does not list, GET and POST are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.signals import request_finished
from django.db import close_old_connections, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from fpdf import FPDF

from tests.webapp.access_table import TABLE
from webapp.accounts.models import SignIn, User
from webapp.accounts.people import invitation_create
from webapp.accounts.services import token_create
from webapp.api.models import PartialUpload
from webapp.api.parts import upload_begin
from webapp.ask.models import Answer, AnswerState, Conversation, Question
from webapp.checklist.models import Cell, Checklist, Sweep, SweptDocument
from webapp.export.models import KEPT, Export, Source
from webapp.jobs.models import Job, JobKind, JobState
from webapp.library.members import member_put
from webapp.library.models import Collection, Document, DocumentState, Page
from webapp.sharing.services import link_create

pytestmark = pytest.mark.django_db

ROLES = ("anonymous", "owner", "other", "reader", "writer", "staff")
API = "api/v1/"
BODIES: dict[str, Any] = {
    "account/email": {"email": "nobody"},
    "collections/<uuid:collection_id>/ask": {"text": "How much?"},
    "collections/<uuid:collection_id>/sweep": {"questions": "How much?"},
    "api/v1/collections": {"name": "Novels"},
    "api/v1/collections/<collection_id>": {"name": "Novels"},
    "api/v1/collections/<collection_id>/members": {"username": "bob"},
    "api/v1/collections/<collection_id>/members/<member_id>": {"may_change": True},
    "api/v1/questions/<question_id>/links": {"days": 1},
    "api/v1/conversations/<conversation_id>": {"title": "Notice"},
    "api/v1/cells/<cell_id>/verdict": {"judgement": "confirmed"},
    "api/v1/collections/<collection_id>/repositories": {"address": "https://github.com/owner/name"},
    "api/v1/collections/<collection_id>/uploads": {"name": "a.txt", "size_bytes": 1},
    "api/v1/documents/<document_id>": {"name": "b.pdf"},
    "api/v1/documents/<document_id>/unlock": {"password": "secret"},
    "api/v1/uploads/<upload_id>/finish": {"sha256": ""},
    "api/v1/collections/<collection_id>/questions": {"question": "How much?"},
    "api/v1/collections/<collection_id>/sweeps": {"questions": ["How much?"]},
}


@dataclass(frozen=True)
class Row:
    method: str
    route: str
    expected: dict[str, str]


def rows() -> list[Row]:
    parts = [line.split() for line in TABLE.strip().splitlines() if line.strip() and not line.startswith("#")]
    return [Row(method, "" if route == "." else route, dict(zip(ROLES, expected, strict=True))) for method, route, *expected in parts]


def routes() -> Iterator[str]:
    """Of every address, but the admin's, which have a test of their own below."""
    return (route for route in walk(get_resolver(), "") if not route.startswith("admin/"))


def walk(resolver: URLResolver, before: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from walk(pattern, route)


@dataclass(frozen=True)
class World:
    """What Alice owns, shared with a reader and a writer, and everybody's clients for pages and for the API."""

    ids: dict[str, Any]
    pages: dict[str, Client]
    programs: dict[str, Client]

    def ask(self, role: str, method: str, route: str) -> str:
        """The status, with the rows put back as they were."""
        is_api = route.startswith(API)
        client = (self.programs if is_api else self.pages)[role]
        address = "/" + re.sub(r"(?:\^\(\?P)?<(?:\w+:)?(\w+)>(?:\.\*\)\$)?", lambda found: str(self.ids[found[1]]), route)
        has_body = method in ("POST", "PATCH") or (method == "PUT" and route.endswith("verdict"))
        body = BODIES.get(route, {}) if has_body else {} if method == "GET" else b""
        named = {"content_type": "application/json"} if is_api and body else {}
        if route.endswith("collection_id>/documents"):
            body, named = {"files": SimpleUploadedFile("a.txt", b"Ninety days.")}, {}
        elif route == "api/v1/documents/<document_id>/replace":
            body, named = {"file": SimpleUploadedFile("a.txt", b"Ninety days.")}, {}
        address += "?offset=1" if method == "PUT" and "uploads" in route else ""
        cookies = client.cookies.copy()
        with transaction.atomic():
            response = getattr(client, method.lower())(address, body, **named)
            close(response)
            transaction.set_rollback(True)
        client.cookies = cookies
        if response.status_code == 302:
            return "login" if response["Location"].startswith("/login/") else "link"
        return str(response.status_code)


def close(response: Any) -> None:
    """What the client does for answers that do not stream: the end of a request must not end the test's transaction."""
    request_finished.disconnect(close_old_connections)
    response.close()
    request_finished.connect(close_old_connections)


def program(user: User | None) -> Client:
    return Client(headers={"authorization": f"Bearer {token_create(owner=user, name='test')[1]}"} if user else {})


def page(user: User | None) -> Client:
    client = Client()
    if user:
        client.force_login(user)
    return client


@pytest.fixture
def world(alice: User, bob: User, staff: User, collection: Collection, clean_broker: None) -> World:
    reader, writer = (User.objects.create_user(name, password="correct horse battery") for name in ("rita", "walt"))
    member = member_put(collection=collection, username="rita", may_change=False)
    member_put(collection=collection, username="walt", may_change=True)
    document = document_of(collection)
    job = Job.objects.create(owner=alice, document=document, kind=JobKind.PARSE, label="a.pdf")
    conversation = Conversation.objects.create(collection=collection, owner=alice)
    question = Question.objects.create(conversation=conversation, collection=collection, owner=alice, text="How much notice?")
    answer = Answer.objects.create(question=question, state=AnswerState.DONE, text="90 days", found=True)
    sweep = Sweep.objects.create(checklist=Checklist.objects.create(collection=collection, owner=alice, questions=["How much?"]))
    swept = SweptDocument.objects.create(sweep=sweep, document=document, number=0, name="a.pdf", path="a.pdf", sha256="a")
    cell = Cell.objects.create(document=swept, question=0)
    link, token = link_create(answer=answer, owner=alice, days=1)
    ids = {
        "collection_id": collection.id,
        "document_id": document.id,
        "job_id": job.id,
        "question_id": question.id,
        "conversation_id": conversation.id,
        "export_id": whole_export(alice, collection, question).id,
        "answer_id": answer.id,
        "sweep_id": sweep.id,
        "cell_id": cell.id,
        "link_id": link.id,
        "member_id": member.id,
        "token_id": token_create(owner=alice, name="laptop")[0].id,
        "sign_in_id": SignIn.objects.create(user=alice, session_key="x").id,
        "invitation_id": invitation_create(owner=staff, note="", is_operator=False)[0].id,
        "user_id": bob.pk,
        "uidb64": "MQ",
        "upload_id": whole_upload(alice, collection).id,
        "rest": "nowhere",
        "token": token,
        "number": 1,
        "form": "json",
    }
    people = dict(zip(ROLES, (None, alice, bob, reader, writer, staff), strict=True))
    return World(ids, {role: page(user) for role, user in people.items()}, {role: program(user) for role, user in people.items()})


def whole_export(owner: User, collection: Collection, question: Question) -> Export:
    """A file that a worker has made."""
    job = Job.objects.create(owner=owner, kind=JobKind.EXPORT, label="a.csv", state=JobState.DONE)
    named = {"source": Source.QUESTION, "source_id": question.id, "form": "csv", "title": "a", "file_name": "a.csv", "size_bytes": 1}
    export = Export.objects.create(owner=owner, collection=collection, job=job, expires_at=timezone.now() + KEPT, **named)
    export.file.parent.mkdir(parents=True, exist_ok=True)
    export.file.write_bytes(b"a")
    return export


def whole_upload(owner: User, collection: Collection) -> PartialUpload:
    upload = upload_begin(owner=owner, collection=collection, name="a.txt", size_bytes=1)
    upload.file.write_bytes(b"a")
    return upload


def document_of(collection: Collection) -> Document:
    """A PDF of one page, ready to be asked."""
    document = Document.objects.create(
        collection=collection, name="a.pdf", path="a.pdf", kind="paged", state=DocumentState.READY, sha256="0" * 64, page_count=1
    )
    Page.objects.create(document=document, number=1, start_char=0, end_char=7, width=600, height=800)
    document.folder.parsed.folder.mkdir(parents=True)
    document.folder.parsed.text.write_text("90 days")
    pdf = FPDF()
    pdf.add_page()
    pdf.output(str(document.folder.original))
    return document


def test_it_has_a_row_for_every_address() -> None:
    assert {row.route for row in rows()} == set(routes())


def test_it_answers_everybody_as_the_table_says(world: World) -> None:
    wrong = []
    for row in rows():
        found = {role: world.ask(role, row.method, row.route) for role in ROLES}
        if found != row.expected:
            wrong.append(f"{row.method} {row.route} {' '.join(found.values())}, not {' '.join(row.expected.values())}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_it_refuses_the_methods_that_the_table_does_not_list(world: World) -> None:
    listed = {(row.method, row.route) for row in rows()}
    others = [(method, route) for route in routes() for method in ("GET", "POST") if (method, route) not in listed]
    answered = {f"{method} {route}": world.ask("owner", method, route) for method, route in others}
    assert not {address: status for address, status in answered.items() if status not in ("404", "405")}


def test_it_lets_nobody_but_staff_into_the_admin(world: World) -> None:
    addresses = [
        "/" + re.sub(r"<[^>]+>|\(.*\)", "1", route).strip("^$") for route in walk(get_resolver(), "") if route.startswith("admin/")
    ]
    assert len(addresses) > 40
    for address in set(addresses) - {"/admin/login/", "/admin/logout/"}:
        for role in ("anonymous", "owner", "other", "reader", "writer"):
            response = world.pages[role].get(address)
            assert (response.status_code, response["Location"].split("?")[0]) == (302, "/admin/login/"), address
