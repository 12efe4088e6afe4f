"""The pages of sweeps, their fragment, the CSV and the API's view of them: what they show, and that nothing in them runs."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.webapp.test_api import client_of
from tests.webapp.test_pages import EVIL, document_of, signed_in
from webapp.accounts.models import User
from webapp.checklist.models import Cell, Checklist, Sweep, SweepState, SweptDocument
from webapp.checklist.selectors import DOCUMENTS_A_PAGE, table
from webapp.export.inert import harmless
from webapp.jobs.models import Job, JobKind, JobState
from webapp.library.models import Collection, Document, DocumentState

pytestmark = pytest.mark.django_db

PLACE = {"page": 3, "first_line": None, "last_line": None, "start_char": 4, "end_char": 9}
QUOTE = f"=cmd|' /C calc'!A0 {EVIL}"


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


@pytest.fixture
def sweep(collection: Collection) -> Sweep:
    """Of two questions over three documents: one answered, one half and in vain, one left out."""
    made = make_sweep(collection, ["How much =1+1?", f"Why {EVIL}?"], 2)
    SweptDocument.objects.create(sweep=made, number=2, name="c.txt", path="c.txt", sha256="c", left_out=f"torn {EVIL}")
    first, second = made.documents.all()[:2]
    citation = {"number": 1, "quote": QUOTE, "verified": True} | PLACE
    Cell.objects.create(document=first, question=0, answer=f"@90 {EVIL}", found=True, confidence=0.95, citations=[citation])
    Cell.objects.create(document=first, question=1, nearest=PLACE | {"text": EVIL})
    Cell.objects.create(document=second, question=0, error=f"Broken {EVIL}. Parse it again.")
    return made


def make_sweep(collection: Collection, questions: list[str], documents: int, state: str = SweepState.DONE) -> Sweep:
    checklist = Checklist.objects.create(collection=collection, owner=collection.owner, questions=questions)
    made = Sweep.objects.create(checklist=checklist, state=state, model="scripted")
    for number in range(documents):
        document = document_of(collection, name=f"=doc {number} {EVIL}.txt")
        facts = {"name": document.name, "path": document.path, "sha256": document.sha256, "token_count": 1000}
        SweptDocument.objects.create(sweep=made, document=document, number=number, **facts)
    return made


def shown(client: Client, sweep: Sweep, **query: object) -> str:
    response = client.get(reverse("checklist-detail", args=[sweep.id]), query)
    assert response.status_code == 200
    assert EVIL not in response.content.decode()
    return str(response.content.decode())


def fragment(client: Client, sweep: Sweep, **query: object) -> str:
    headers = {"HX-Request": "true", "HX-Target": "sweep_state"}
    response = client.get(reverse("checklist-detail", args=[sweep.id]), query, headers=headers)
    assert response.status_code == 200
    return str(response.content.decode())


def test_it_shows_each_answer_with_the_way_to_its_quote(browser: Client, sweep: Sweep) -> None:
    page = shown(browser, sweep)
    first = sweep.documents.all()[0]
    assert f"/documents/{first.document_id}/?start=4&amp;end=9&amp;sweep={sweep.id}#quote" in page
    assert "page 3" in page
    assert "very sure" in page
    assert "not found" in page
    assert f"/documents/{first.document_id}/?page=3&amp;sweep={sweep.id}#page-3" in page
    assert "1 of 3 documents, 1,000 of 2,000 tokens; 1 not asked: c.txt; 1 failed:" in page
    assert "torn &lt;script&gt;" in page
    assert "Ask what is missing" in page
    assert "Why 2 documents are missing" in page
    assert "hx-get" not in page.split("<main")[1], "nothing moves any more"


def test_it_offers_to_go_on_only_where_something_can_be_asked(browser: Client, collection: Collection) -> None:
    made = make_sweep(collection, ["Why?"], 1)
    Cell.objects.create(document=made.documents.get(), question=0)
    torn = document_of(collection, name="torn.txt", state=DocumentState.FAILED)
    SweptDocument.objects.create(sweep=made, document=torn, number=1, name="torn.txt", path="torn.txt", sha256="c", left_out="torn")
    assert "Ask what is missing" not in shown(browser, made)
    Document.objects.filter(id=torn.id).update(state=DocumentState.READY)
    assert "Ask what is missing" in shown(browser, made)


def test_it_asks_for_what_is_new_until_the_sweep_has_ended(browser: Client, sweep: Sweep) -> None:
    Sweep.objects.update(state=SweepState.RUNNING)
    page = shown(browser, sweep)
    assert 'http-equiv="refresh"' in page
    assert 'hx-trigger="every 2s"' in page
    assert "3 of 4 answers" in page
    assert "Stop asking" in page
    Cell.objects.filter(question=1).update(created_at=timezone.now() - timedelta(seconds=60))
    now = timezone.now().isoformat()
    told = fragment(browser, sweep, since=now)
    assert "<table" not in told
    assert 'id="cell-0-0"' in told
    assert 'hx-swap-oob="true"' in told
    assert 'id="cell-0-1"' not in told, "it has been there for a minute"
    assert 'id="cell-0-1"' in fragment(browser, sweep, since="no moment")
    Sweep.objects.update(state=SweepState.DONE)
    assert "hx-trigger" not in fragment(browser, sweep, since=now)


def test_it_puts_the_longer_list_down_and_shows_a_page_of_documents(collection: Collection, browser: Client) -> None:
    few = make_sweep(collection, ["One?", "Two?", "Three?"], 2)
    assert table(sweep=few, page=1).questions_down
    assert [row.title for row in table(sweep=few, page=1).down] == ["One?", "Two?", "Three?"]
    assert [cell.document.number for cell in table(sweep=few, page=1).down[0].cells] == [0, 1]
    many = make_sweep(collection, ["One?"], DOCUMENTS_A_PAGE + 1)
    assert not table(sweep=many, page=1).questions_down
    assert [row.document and row.document.number for row in table(sweep=many, page=2).down] == [DOCUMENTS_A_PAGE]
    assert "Further documents" in shown(browser, many)
    for page in ("2", "99", "0", "-1", "x", "9" * 5000):
        assert "Earlier documents" in shown(browser, many, documents=page) or page not in ("2", "99")


def test_it_makes_a_sweep_from_the_form_and_keeps_what_was_refused(collection: Collection, browser: Client) -> None:
    refused = browser.post(reverse("checklist-create", args=[collection.id]), {"questions": "Why?\nHow?"})
    assert refused.status_code == 200
    assert "Why?\nHow?" in refused.content.decode()
    assert "Nothing can be asked here yet" in refused.content.decode()
    document_of(collection)
    document_of(collection, name="other.txt", state=DocumentState.FAILED)
    page = browser.get(reverse("checklist-list", args=[collection.id])).content.decode()
    assert "Ask this document" in page
    assert "1 document more cannot be asked yet" in page
    made = browser.post(reverse("checklist-create", args=[collection.id]), {"questions": "Why?\r\n\r\nHow?\r\n"})
    sweep = Sweep.objects.get()
    assert made.headers["Location"] == reverse("checklist-detail", args=[sweep.id])
    assert sweep.checklist.questions == ["Why?", "How?"]
    assert "and 1 more" in browser.get(reverse("checklist-list", args=[collection.id])).content.decode()
    assert "1 table so far" in browser.get(reverse("library-collection", args=[collection.id])).content.decode()


def test_it_stops_and_continues(browser: Client, sweep: Sweep, alice: User) -> None:
    job = Job.objects.create(owner=alice, kind=JobKind.SWEEP, label="x", state=JobState.RUNNING)
    Sweep.objects.update(state=SweepState.RUNNING, job=job)
    assert browser.post(reverse("checklist-stop", args=[sweep.id])).status_code == 302
    job.refresh_from_db()
    sweep.refresh_from_db()
    assert (job.state, sweep.state) == (JobState.CANCELLED, SweepState.STOPPED)
    assert "Stopped: 1 of 3 documents" in shown(browser, sweep)
    assert browser.post(reverse("checklist-continue", args=[sweep.id])).status_code == 302
    sweep.refresh_from_db()
    assert sweep.state == SweepState.WAITING
    assert sweep.job_id != job.id
    assert not Cell.objects.exclude(error="").exists()


def lines_of(response: Any) -> list[list[str]]:
    text = b"".join(response.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_its_csv_has_a_place_for_each_answer_and_nothing_that_runs(browser: Client, sweep: Sweep) -> None:
    response = browser.get(reverse("checklist-export", args=[sweep.id, "csv"]))
    assert response.headers["Content-Disposition"] == 'attachment; filename="contracts.csv"'
    head, first, second, third = lines_of(response)
    assert head[:6] == ["document", "tokens", "state", "How much =1+1?", "How much =1+1? (place)", "How much =1+1? (quote)"]
    assert first == [f"'=doc 0 {EVIL}.txt", "1000", "asked", f"'@90 {EVIL}", "page 3", f"'{QUOTE}", "not found", "", ""]
    assert second[2:4] == ["1 of 2 asked", f"failed: Broken {EVIL}. Parse it again."]
    assert third[:3] == ["c.txt", "0", f"not asked: torn {EVIL}"]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\n=1", "\x00=1", "＝1"])
def test_it_makes_a_formula_harmless(text: str) -> None:
    assert harmless(text).startswith("'")


@pytest.mark.parametrize("text", ["1", "90 days", "", "a=b", "“=1”"])
def test_it_leaves_other_text_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_the_api_shows_the_same_to_its_owner_and_to_nobody_else(sweep: Sweep, alice: User, bob: User, clean_broker: None) -> None:
    mine, other = client_of(alice), client_of(bob)
    address = f"/api/v1/sweeps/{sweep.id}"
    told = mine.get(address).json()
    assert (told["state"], told["questions"], told["collection"]) == ("done", sweep.checklist.questions, str(sweep.checklist.collection_id))
    assert told["coverage"]["line"].startswith("1 of 3 documents")
    assert told["coverage"]["left_out"] == [{"path": "c.txt", "reason": f"torn {EVIL}"}]
    cells = mine.get(f"{address}/cells").json()
    assert cells["count"] == 3
    assert (cells["items"][0]["answer"], cells["items"][0]["citations"][0]["page"]) == (f"@90 {EVIL}", 3)
    assert mine.get("/api/v1/sweeps").json()["count"] == 1
    assert other.get("/api/v1/sweeps").json()["count"] == 0
    for path in ("", "/cells", "/export.csv"):
        assert other.get(address + path).status_code == 404
    for path in ("/stop", "/continue"):
        assert other.post(address + path).status_code == 404
    collection = sweep.checklist.collection_id
    body = {"questions": ["Why?"]}
    assert other.post(f"/api/v1/collections/{collection}/sweeps", body, content_type="application/json").status_code == 404
    assert mine.post(f"/api/v1/collections/{uuid4()}/sweeps", body, content_type="application/json").status_code == 404
    for wrong, status in (({"questions": []}, 409), ({"questions": ["a\x00b"]}, 422), ({"questions": "Why?"}, 422)):
        assert mine.post(f"/api/v1/collections/{collection}/sweeps", wrong, content_type="application/json").status_code == status


def test_a_document_that_is_gone_can_no_longer_be_opened(browser: Client, sweep: Sweep) -> None:
    Document.objects.all().delete()
    page = shown(browser, sweep)
    assert "@90" in page
    assert "#quote" not in page
