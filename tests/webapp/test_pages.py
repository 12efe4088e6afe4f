"""Every page in each state of what it shows, and that nobody sees what is another's."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from ingest.skipping import Reason, Skipped
from webapp.accounts.models import ApiToken, User, token_digest
from webapp.ask.models import Answer, AnswerState, Citation, Question
from webapp.checklist.models import Checklist, Sweep
from webapp.jobs.models import Job, JobKind, JobState
from webapp.jobs.services import job_fail
from webapp.library.models import Collection, Document, DocumentState
from webapp.library.skipped import skipped_write

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"
LINES = f"first line\n{EVIL}\nthird line\n"


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def document_of(collection: Collection, *, name: str = "notes.txt", state: str = DocumentState.READY, text: str = LINES) -> Document:
    document = Document.objects.create(
        collection=collection,
        name=name,
        path=name,
        kind="text",
        state=state,
        sha256=uuid4().hex,
        token_count=12,
        line_count=4,
        size_bytes=9,
    )
    document.folder.parsed.folder.mkdir(parents=True)
    document.folder.parsed.text.write_bytes(text.encode())
    document.folder.original.write_bytes(text.encode())
    return document


def answer_of(collection: Collection, **fields: object) -> Answer:
    question = Question.objects.create(collection=collection, owner=collection.owner, text=f"Why {EVIL}?")
    return Answer.objects.create(question=question, **fields)


def cite(answer: Answer, document: Document, **fields: object) -> Citation:
    start = LINES.index(EVIL)
    known: dict[str, object] = {"first_line": 2, "last_line": 2, "quote": EVIL, "start_char": start, "end_char": start + len(EVIL)}
    names = {"document_name": document.name, "document_path": document.path, "number": 1, "verified": True}
    return Citation.objects.create(answer=answer, document=document, **{**known, **names, **fields})


def located(document: Document) -> dict[str, object]:
    names = {"document": str(document.id), "name": document.name, "path": document.path, "page": None, "first_line": 3, "last_line": 3}
    return {**names, "start_char": 37, "end_char": 47, "score": 1.0, "lexical": 2.0, "likelihood": None, "text": f"third {EVIL}"}


def page(client: Client, name: str, *ids: UUID | str, **query: object) -> str:
    response = client.get(reverse(name, args=ids), query)
    assert response.status_code == 200
    assert EVIL not in response.content.decode()
    return response.content.decode()


def addresses_of(collection: Collection) -> tuple[list[str], list[str]]:
    """Every address that names something of the collection's owner: those to get and those to post to."""
    document = document_of(collection)
    answer = answer_of(collection)
    sweep = Sweep.objects.create(checklist=Checklist.objects.create(collection=collection, owner=collection.owner, questions=["Why?"]))
    token = ApiToken.objects.create(owner=collection.owner, name="mine", prefix="lr_", digest=token_digest("x"))
    reads = [
        reverse("library-collection", args=[collection.id]),
        reverse("library-collection-delete", args=[collection.id]),
        reverse("library-document", args=[document.id]),
        reverse("library-document-delete", args=[document.id]),
        reverse("library-original", args=[document.id]),
        reverse("library-page-image", args=[document.id, 1]),
        reverse("ask-detail", args=[answer.question_id]),
        reverse("ask-export", args=[answer.question_id, "json"]),
        reverse("ask-export", args=[answer.question_id, "md"]),
        reverse("checklist-list", args=[collection.id]),
        reverse("checklist-detail", args=[sweep.id]),
        reverse("checklist-export", args=[sweep.id, "csv"]),
    ]
    writes = [
        reverse("library-collection-rename", args=[collection.id]),
        reverse("library-collection-delete", args=[collection.id]),
        reverse("library-document-delete", args=[document.id]),
        reverse("upload-files", args=[collection.id]),
        reverse("upload-retry", args=[document.id]),
        reverse("ask-question", args=[collection.id]),
        reverse("ask-stop", args=[answer.id]),
        reverse("checklist-create", args=[collection.id]),
        reverse("checklist-stop", args=[sweep.id]),
        reverse("checklist-continue", args=[sweep.id]),
        reverse("accounts-token-delete", args=[token.id]),
    ]
    return reads, writes


def test_it_hides_everything_of_one_owner_from_others(collection: Collection, bob: User, staff: User) -> None:
    reads, writes = addresses_of(collection)
    for user in (bob, staff):
        client = signed_in(user)
        assert {address: client.get(address).status_code for address in reads} == dict.fromkeys(reads, 404)
        assert {address: client.post(address, {"name": "x", "text": "x"}).status_code for address in writes} == dict.fromkeys(writes, 404)
    collection.refresh_from_db()
    assert collection.name == "Contracts"


def test_it_asks_strangers_to_sign_in(collection: Collection, client: Client) -> None:
    reads, writes = addresses_of(collection)
    own = [reverse(name) for name in ("library-home", "accounts-account", "jobs-list")]
    for address in [*reads, *own]:
        assert client.get(address).headers["Location"].startswith("/login/")
    for address in [*writes, reverse("upload-samples"), reverse("library-collection-create")]:
        assert client.post(address).headers["Location"].startswith("/login/")


def test_it_refuses_to_change_anything_by_get(collection: Collection, browser: Client) -> None:
    _, writes = addresses_of(collection)
    for address in writes:
        if not address.endswith("/delete") or "tokens" in address:
            assert browser.get(address).status_code == 405


def test_it_begins_with_the_first_account(client: Client) -> None:
    assert client.get("/", follow=True).redirect_chain[-1][0] == "/setup/"
    form = {"username": "ada", "password1": "a long reading room", "password2": "a long reading room"}
    assert client.post("/setup/", form).headers["Location"] == "/"
    user = User.objects.get()
    assert user.is_staff
    assert user.is_superuser
    assert "What have you got to read?" in page(client, "library-home")


def test_it_makes_no_second_first_account(alice: User, client: Client) -> None:
    form = {"username": "eve", "password1": "a long reading room", "password2": "a long reading room"}
    assert client.post("/setup/", form).headers["Location"] == "/login/"
    assert User.objects.count() == 1


def test_it_signs_in_and_out(alice: User, client: Client) -> None:
    wrong = client.post("/login/", {"username": "alice", "password": "wrong"})
    assert "correct username and password" in wrong.content.decode()
    assert client.post("/login/", {"username": "alice", "password": "correct horse battery"}).headers["Location"] == "/"
    assert client.get("/logout/").status_code == 405
    client.post("/logout/")
    assert client.get("/").headers["Location"].startswith("/login/")


def test_it_shows_a_token_once(alice: User, browser: Client) -> None:
    shown = browser.post(reverse("accounts-token-create"), {"name": EVIL})
    row = ApiToken.objects.get(owner=alice)
    assert row.prefix in shown.content.decode()
    assert shown.headers["Cache-Control"] == "private, no-store"
    assert "token-shown" not in page(browser, "accounts-account")
    browser.post(reverse("accounts-token-delete", args=[row.id]))
    assert not ApiToken.objects.exists()


def test_it_changes_the_password_and_stays_signed_in(alice: User, browser: Client) -> None:
    form = {"old_password": "correct horse battery", "new_password1": "a long reading room", "new_password2": "a long reading room"}
    assert browser.post(reverse("accounts-password"), form).headers["Location"] == "/account/"
    page(browser, "accounts-account")


def test_it_makes_renames_and_deletes_a_collection(alice: User, browser: Client, django_capture_on_commit_callbacks: object) -> None:
    made = browser.post(reverse("library-collection-create"), {"name": f"  Books {EVIL} "})
    collection = Collection.objects.get(owner=alice)
    assert made.headers["Location"] == reverse("library-collection", args=[collection.id])
    assert "Nothing is in this collection yet" in page(browser, "library-collection", collection.id)
    assert "empty" in page(browser, "library-home")
    browser.post(reverse("library-collection-rename", args=[collection.id]), {"name": "Novels"})
    assert "Novels" in page(browser, "library-collection-delete", collection.id)
    folder = document_of(collection).folder.folder
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        browser.post(reverse("library-collection-delete", args=[collection.id]))
    assert not Collection.objects.exists()
    assert not folder.exists()


def test_it_refuses_a_collection_without_a_name(browser: Client) -> None:
    browser.post(reverse("library-collection-create"), {"name": "  "})
    assert "Type a name first." in page(browser, "library-home")


@pytest.mark.parametrize("state", DocumentState.values)
def test_it_lists_a_document_in_each_state(state: str, collection: Collection, browser: Client) -> None:
    document = document_of(collection, name=f"{EVIL}.txt", state=state)
    Document.objects.filter(id=document.id).update(error=EVIL if state == "failed" else "", notes=[EVIL])
    html = page(browser, "library-collection", collection.id)
    assert "&lt;script&gt;" in html
    assert ("Try again" in html) == (state == "failed")
    page(browser, "library-document", document.id)
    page(browser, "library-home")


def test_it_says_how_far_a_document_is(alice: User, collection: Collection, browser: Client) -> None:
    document = document_of(collection, state=DocumentState.PARSING)
    progress = {"stage": "reading pages", "done": 3, "total": 1200, "unit": "pages"}
    Job.objects.create(owner=alice, document=document, kind=JobKind.PARSE, label="x", state=JobState.RUNNING, **progress)
    html = page(browser, "library-collection", collection.id)
    assert "3 of 1,200 pages" in html
    assert 'hx-trigger="every 1s"' in html


def test_it_stops_asking_when_nothing_moves(collection: Collection, browser: Client) -> None:
    document_of(collection)
    address = reverse("library-collection", args=[collection.id])
    response = browser.get(address, headers={"HX-Request": "true", "HX-Target": "documents"})
    html = response.content.decode()
    assert html.lstrip().startswith('<section id="documents"')
    assert "every 1s" not in html
    assert "HX-Target" in response.headers["Vary"]


def test_it_asks_on_whenever_the_last_document_ends(alice: User, collection: Collection, browser: Client) -> None:
    """A document that fails between two queries of one answer is shown as failed, or asked for again."""
    document = document_of(collection, state=DocumentState.PARSING)
    job = Job.objects.create(owner=alice, document=document, kind=JobKind.PARSE, label="x", state=JobState.RUNNING)
    asked_on = []
    for before in itertools.count():
        Document.objects.update(state=DocumentState.PARSING)
        Job.objects.update(state=JobState.RUNNING)
        ending = Ending(job, before)
        with connection.execute_wrapper(ending):
            html = page(browser, "library-collection", collection.id)
        asked_on.append("every 1s" in html)
        assert asked_on[-1] or "Try again" in html, f"it failed before query {before}"
        if not ending.has_ended:
            break
    assert not asked_on[0], "it failed before the first query"


class Ending:
    """Lets a job's document fail before the query of this number."""

    def __init__(self, job: Job, before: int) -> None:
        self._job, self._left, self.has_ended = job, before, False

    def __call__(self, execute: Callable[..., Any], *query: Any) -> Any:
        if not self._left and not self.has_ended:
            self.has_ended = True
            job_fail(job=self._job, error="It is torn.")
            Document.objects.update(state=DocumentState.FAILED, error="It is torn.")
        self._left = max(0, self._left - 1)
        return execute(*query)


def test_it_folds_an_archive_and_lists_what_was_skipped(collection: Collection, browser: Client) -> None:
    archive = Document.objects.create(
        collection=collection, name="a.zip", path="a.zip", is_archive=True, state="ready", skipped_count=1, sha256="x"
    )
    archive.folder.folder.mkdir(parents=True)
    skipped_write(document=archive, skipped=[(f"{EVIL}.bin", Skipped(Reason.BINARY, "it holds no text"))])
    member = document_of(collection, name="m.txt")
    Document.objects.filter(id=member.id).update(archive=archive, path="a.zip/deep/m.txt")
    html = page(browser, "library-collection", collection.id)
    assert "1 file in this archive" in html
    assert "deep/m.txt" in html
    assert "1 file skipped" in html
    assert "a.zip/deep/m.txt" in page(browser, "library-document", archive.id)
    assert "Without text" in page(browser, "library-skipped", archive.id)


@pytest.mark.parametrize("files", [2, 40])
def test_a_collection_asks_the_database_as_often_whatever_an_archive_holds(
    collection: Collection, browser: Client, files: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    state = DocumentState.READY
    archive = Document.objects.create(collection=collection, name="a.zip", path="a.zip", is_archive=True, state=state, sha256="x")
    names = [f"{number}.py" for number in range(files)]
    Document.objects.bulk_create(
        [Document(collection=collection, archive=archive, name=name, path=f"a.zip/{name}", state=state, sha256=name) for name in names]
    )
    with django_assert_max_num_queries(25):
        page(browser, "library-collection", collection.id)


def test_it_deletes_a_document_and_keeps_its_quote(
    collection: Collection, browser: Client, django_capture_on_commit_callbacks: object
) -> None:
    document = document_of(collection)
    answer = answer_of(collection, state=AnswerState.DONE, found=True, text="Because.", confidence=0.9)
    cite(answer, document)
    page(browser, "library-document-delete", document.id)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        browser.post(reverse("library-document-delete", args=[document.id]))
    assert not document.folder.folder.exists()
    assert "its document has been deleted" in page(browser, "ask-detail", answer.question_id)


@pytest.mark.parametrize("state", AnswerState.values)
def test_it_shows_an_answer_in_each_state(state: str, collection: Collection, browser: Client) -> None:
    document = document_of(collection)
    answer = answer_of(
        collection, state=state, found=True, text=f"Because {EVIL}", confidence=0.93, error=EVIL, located=[located(document)]
    )
    html = page(browser, "ask-detail", answer.question_id)
    assert ("sse-connect" in html) == (state in ("waiting", "streaming"))
    assert ("noscript" in html) == (state in ("waiting", "streaming"))
    page(browser, "library-collection", collection.id)


def test_it_opens_the_source_at_the_first_quote(collection: Collection, browser: Client) -> None:
    document = document_of(collection)
    usage = {"prompt_tokens": 31002, "chunks": 85, "read_tokens": 1214, "read_chunks": 3}
    timings = {"locate_s": 0.2, "prefill_s": 0.0, "first_token_s": 0.8, "total_s": 1.4}
    fields = {"usage": usage, "timings": timings, "model": "Scout Mini", "mode": "isolated", "located": [located(document)]}
    answer = answer_of(collection, state=AnswerState.DONE, found=True, text="Because.", confidence=0.93, **fields)
    cite(answer, document)
    html = page(browser, "ask-detail", answer.question_id)
    assert "<mark>&lt;script&gt;alert(1)&lt;/script&gt;</mark></div>" in html
    assert 'id="quote"' in html
    assert "very sure" in html
    assert "Located, not quoted" in html
    assert 'class="cited"' in html
    assert "Read 1,214 of 31,002 tokens in 3 of 85 chunks." in html
    fragment = browser.get(
        reverse("ask-detail", args=[answer.question_id]), headers={"HX-Request": "true", "HX-Target": "reading"}
    ).content.decode()
    assert "<html" not in fragment
    assert 'id="reading"' in fragment


def test_it_says_what_was_not_found(collection: Collection, browser: Client) -> None:
    document = document_of(collection)
    answer = answer_of(collection, state=AnswerState.DONE, found=False, located=[located(document)])
    html = page(browser, "ask-detail", answer.question_id)
    assert "Not found in this document." in html
    assert "The nearest places" in html


def test_it_says_that_a_quote_is_not_verified(collection: Collection, browser: Client) -> None:
    answer = answer_of(collection, state=AnswerState.DONE, found=True, text="Because.", confidence=0.5)
    cite(answer, document_of(collection), verified=False)
    html = page(browser, "ask-detail", answer.question_id)
    assert "not verified" in html
    assert "unsure" in html


@pytest.mark.parametrize(("reading", "said"), [("poor", "Read by OCR, but badly: compare with the picture"), ("ocr", "Read by OCR")])
def test_it_says_that_a_quote_was_read_by_ocr(collection: Collection, browser: Client, reading: str, said: str) -> None:
    answer = answer_of(collection, state=AnswerState.DONE, found=True, text="Because.", confidence=0.5)
    citation = cite(answer, document_of(collection), reading=reading)
    assert f"word for word · {said}</span>" in page(browser, "ask-detail", answer.question_id)
    Citation.objects.filter(id=citation.id).update(reading="file")
    assert "OCR" not in page(browser, "ask-detail", answer.question_id)


def test_it_refuses_a_question_with_a_sentence(collection: Collection, browser: Client) -> None:
    response = browser.post(reverse("ask-question", args=[collection.id]), {"text": "Why?"}, follow=True)
    assert "Nothing can be asked here yet." in response.content.decode()
    assert not Question.objects.exists()


@pytest.mark.parametrize("state", JobState.values)
def test_it_shows_operators_a_job_in_each_state(state: str, alice: User, staff: User) -> None:
    fields = {"error": EVIL, "traceback": EVIL, "stage": EVIL, "worker": EVIL, "done": 1, "total": 3, "unit": "pages"}
    Job.objects.create(owner=alice, kind=JobKind.PARSE, label=EVIL, state=state, **fields)
    html = page(signed_in(staff), "jobs-list")
    assert EVIL not in html
    assert "Traceback" in html
    assert ("Try again" in html) == (state in ("failed", "cancelled"))
    assert "No job" not in page(signed_in(staff), "jobs-list", state=state)


def test_it_shows_people_their_own_jobs_without_what_is_for_operators(alice: User, bob: User, browser: Client) -> None:
    fields = {"state": JobState.FAILED, "worker": "ingest@here", "traceback": "ZeroDivisionError"}
    hers = Job.objects.create(owner=alice, kind=JobKind.PARSE, label="hers.pdf", error="Torn.", **fields)
    his = Job.objects.create(owner=bob, kind=JobKind.PARSE, label="his.pdf", **fields)
    html = page(browser, "jobs-list")
    assert "hers.pdf" in html
    assert "Torn." in html
    for hidden in ("his.pdf", "ZeroDivisionError", "ingest@here"):
        assert hidden not in html
    assert 'failed <span class="count">1</span>' in html
    for address in ("jobs-cancel", "jobs-retry"):
        assert browser.post(reverse(address, args=[his.id])).status_code == 404
    assert browser.post(reverse("jobs-retry", args=[hers.id]), {"next": "/jobs/?state=failed"}).headers["Location"] == "/jobs/?state=failed"
    hers.refresh_from_db()
    his.refresh_from_db()
    assert (hers.state, his.state) == (JobState.QUEUED, JobState.FAILED)


@pytest.mark.parametrize("away", ["https://evil.example/", "//evil.example", "/\\evil.example", ""])
def test_it_leads_nobody_away_after_a_retry(alice: User, browser: Client, away: str) -> None:
    job = Job.objects.create(owner=alice, kind=JobKind.PARSE, label="x", state=JobState.FAILED)
    assert browser.post(reverse("jobs-retry", args=[job.id]), {"next": away}).headers["Location"] == "/jobs/"


def test_it_finds_jobs_by_what_they_are_about(alice: User, bob: User, staff: User) -> None:
    Job.objects.create(owner=alice, kind=JobKind.PARSE, label="lease.pdf")
    Job.objects.create(owner=bob, kind=JobKind.PARSE, label="novel.txt", state=JobState.FAILED, error="Torn.")
    found = {words: page(signed_in(staff), "jobs-list", q=words) for words in ("LEASE", "torn", "bob", "nowhere", "\x00")}
    seen = {words: ("lease.pdf" in html, "novel.txt" in html) for words, html in found.items()}
    assert seen == {"LEASE": (True, False), "torn": (False, True), "bob": (False, True), "nowhere": (False, False), "\x00": (True, True)}


def test_it_cancels_a_job(alice: User, staff: User) -> None:
    job = Job.objects.create(owner=alice, kind=JobKind.PARSE, label="x")
    signed_in(staff).post(reverse("jobs-cancel", args=[job.id]))
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_it_has_a_page_for_what_is_not_there(browser: Client) -> None:
    response = browser.get("/nowhere/")
    assert response.status_code == 404
    assert "There is nothing here." in response.content.decode()


def test_it_runs_nothing_inline(collection: Collection, browser: Client) -> None:
    html = page(browser, "library-collection", collection.id)
    assert " style=" not in html
    assert "<style" not in html
    assert "onclick" not in html
    assert all("src=" in tag for tag in html.split("<script")[1:])
