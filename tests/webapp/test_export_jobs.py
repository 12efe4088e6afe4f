"""Exports that take long: a worker makes the same file, says how far it is, and nobody but who asked gets it, for a day."""

from __future__ import annotations

import io
import json
import os
from datetime import timedelta
from typing import Any
from uuid import uuid4

import openpyxl
import pytest
from django.test import Client
from django.utils import timezone

from ingest.progress import Progress
from tests.webapp.test_access import program, whole_export
from tests.webapp.test_pages import signed_in
from webapp.accounts.models import User
from webapp.ask.models import Answer, AnswerState, Citation, Conversation, Question
from webapp.checklist.models import Cell, Checklist, Sweep, SweptDocument
from webapp.export import services, sizes
from webapp.export.blocks import ExportRefused
from webapp.export.forms import FORMS
from webapp.export.models import KEPT, Export, Source
from webapp.export.services import Wanted, export_begin, export_make, export_write, exports_forget
from webapp.export.sweeps import taken_sweep
from webapp.jobs.models import Job, JobState
from webapp.jobs.running import JobTaken, run_job
from webapp.jobs.services import job_cancel
from webapp.jobs.signals import looked_after
from webapp.library.members import member_put, member_remove
from webapp.library.models import Collection, Document

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_broker")]
DOCUMENTS = 3


@pytest.fixture
def sweep(alice: User, collection: Collection) -> Sweep:
    sweep = Sweep.objects.create(checklist=Checklist.objects.create(collection=collection, owner=alice, questions=["How much?"]))
    for number in range(DOCUMENTS):
        swept = SweptDocument.objects.create(sweep=sweep, number=number, name=f"{number}.txt", path=f"{number}.txt", sha256="0")
        Cell.objects.create(document=swept, question=0, answer=f"{number} days", found=True)
    return sweep


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page waits for two answers, not for three."""
    monkeypatch.setattr(sizes, "ANSWERS_AT_ONCE", dict.fromkeys(FORMS, 2))


def wanted(sweep: Sweep) -> Wanted:
    return Wanted(Source.SWEEP, sweep.id, sweep.checklist.collection, taken_sweep(sweep))


def begun(alice: User, sweep: Sweep, form: str = "xlsx") -> Export:
    return export_begin(owner=alice, wanted=wanted(sweep), form=form, pages=False)


def made(export: Export) -> Export:
    """What a worker does."""
    run_job(str(export.job_id), "worker@here", export_write)
    return Export.objects.select_related("job").get(id=export.id)


def test_it_makes_at_once_what_is_quickly_made(alice: User, sweep: Sweep) -> None:
    answered = signed_in(alice).get(f"/sweeps/{sweep.id}/export.xlsx")
    assert answered.status_code == 200
    assert not Export.objects.exists()


@pytest.mark.parametrize("form", list(FORMS))
def test_a_worker_makes_the_same_file(alice: User, sweep: Sweep, form: str) -> None:
    at_once = signed_in(alice).get(f"/sweeps/{sweep.id}/export.{form}").getvalue()
    export = made(begun(alice, sweep, form))
    assert (export.job.state, export.job.error) == (JobState.DONE, "")
    written = export.file.read_bytes()
    assert export.size_bytes == len(written)
    if form in ("pdf", "docx", "xlsx"):  # these hold the moment in which they were made
        assert abs(len(written) - len(at_once)) < 64
    else:
        assert written == at_once


@pytest.mark.usefixtures("small")
def test_its_page_leads_to_the_list_and_from_there_to_the_file(alice: User, sweep: Sweep) -> None:
    client = signed_in(alice)
    assert client.get(f"/sweeps/{sweep.id}/export.xlsx")["Location"] == "/exports/"
    assert "Waits for a worker" in client.get("/exports/").content.decode()
    export = Export.objects.get()
    assert client.get(f"/exports/{export.id}/file").status_code == 404
    made(export)
    page = client.get("/exports/").content.decode()
    assert f'href="/exports/{export.id}/file"' in page
    assert "hx-trigger" not in page.split('id="exports"')[1].split(">")[0]
    answered = client.get(f"/exports/{export.id}/file")
    assert answered["Content-Disposition"] == 'attachment; filename="contracts.xlsx"'
    rows = list(openpyxl.load_workbook(io.BytesIO(b"".join(answered))).active.values)
    assert [row[3] for row in rows[1:]] == ["0 days", "1 days", "2 days"]


@pytest.mark.usefixtures("small")
def test_the_api_answers_202_and_then_the_file(alice: User, sweep: Sweep) -> None:
    client = program(alice)
    answers = [client.get(f"/api/v1/sweeps/{sweep.id}/export.csv") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    first, again = (answer.json() for answer in answers)
    assert first["id"] == again["id"]
    assert (first["state"], first["file"], first["progress"]["job"]) == ("queued", None, first["job"])
    made(Export.objects.get())
    done = client.get(f"/api/v1/exports/{first['id']}").json()
    assert (done["state"], done["progress"]) == ("done", None)
    assert "2 days" in b"".join(client.get(done["file"])).decode()
    assert [row["id"] for row in client.get("/api/v1/exports").json()["items"]] == [first["id"]]
    assert client.delete(f"/api/v1/exports/{first['id']}").status_code == 204
    assert client.get(done["file"]).status_code == 404


def test_it_says_how_far_it_is(alice: User, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "REPORT_SECONDS", 0)
    told: list[Progress] = []
    export_write(begun(alice, sweep, "pdf").job, told.append)
    assert [(each.done, each.total, each.unit) for each in told] == [*((n, DOCUMENTS, "documents") for n in range(4)), (3, 3, "documents")]


def test_it_stops_where_the_job_is_cancelled_and_leaves_no_file(alice: User, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "REPORT_SECONDS", 0)
    export = begun(alice, sweep, "csv")

    def cancelled(progress: Progress) -> None:
        if progress.done == 2:
            raise JobTaken

    with pytest.raises(JobTaken):
        export_write(export.job, cancelled)
    assert not list(export.file.parent.glob(f"{export.id}*"))
    job_cancel(job=export.job)
    assert not Export.objects.get().is_ready


def test_it_shows_a_file_to_nobody_else_and_not_to_whom_the_collection_is_shut(alice: User, bob: User, collection: Collection) -> None:
    member = member_put(collection=collection, username="bob", may_change=False)
    question = Question.objects.create(collection=collection, owner=alice, text="How much?")
    export = whole_export(bob, collection, question)
    address = f"/exports/{export.id}/file"
    assert [signed_in(user).get(address).status_code for user in (alice, bob)] == [404, 200]
    member_remove(member=member)
    assert signed_in(bob).get(address).status_code == 404
    assert export.file_name not in signed_in(bob).get("/exports/").content.decode()


def test_it_keeps_a_file_for_a_day(alice: User, sweep: Sweep) -> None:
    export = made(begun(alice, sweep))
    assert export.expires_at is not None
    assert timedelta(0) <= export.expires_at - timezone.now() <= KEPT
    Export.objects.update(expires_at=timezone.now())
    assert signed_in(alice).get(f"/exports/{export.id}/file").status_code == 404
    looked_after.send(sender=None)
    assert not Export.objects.exists()
    assert not export.file.exists()


def test_it_deletes_the_file_with_its_collection(alice: User, sweep: Sweep, collection: Collection) -> None:
    export = made(begun(alice, sweep))
    assert export.file.exists()
    collection.delete()
    assert not export.file.exists()


def test_it_deletes_what_was_left_half_written(alice: User, sweep: Sweep) -> None:
    export = made(begun(alice, sweep))
    stray = export.file.with_name(f"{uuid4()}.half")
    stray.write_bytes(b"x")
    exports_forget()
    assert stray.exists()
    os.utime(stray, (0, 0))
    exports_forget()
    assert not stray.exists()
    assert export.file.exists()


def test_it_says_so_when_what_it_was_of_is_gone(alice: User, sweep: Sweep) -> None:
    export = begun(alice, sweep)
    sweep.delete()
    export = made(export)
    assert (export.job.state, export.job.error) == (JobState.FAILED, "What was to be saved has been deleted.")


def test_it_makes_five_files_at_once_and_refuses_a_paper_that_is_too_long(
    alice: User, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    for form in list(FORMS)[:5]:
        begun(alice, sweep, form)
    with pytest.raises(ExportRefused, match="5 files are being made"):
        begun(alice, sweep, list(FORMS)[5])
    Job.objects.update(state=JobState.DONE)
    monkeypatch.setattr(sizes, "MOST_IN_PAPER", 2)
    with pytest.raises(ExportRefused, match="at most 2"):
        begun(alice, sweep, "pdf")
    begun(alice, sweep, "json")


def test_it_counts_cited_pages(alice: User, collection: Collection) -> None:
    """Four pages that are cited are more than a page waits for; without their pictures they are not looked at."""
    document = Document.objects.create(collection=collection, name="a.pdf", path="a.pdf", sha256="0")
    conversation = Conversation.objects.create(collection=collection, owner=alice)
    question = Question.objects.create(conversation=conversation, collection=collection, owner=alice, text="How much?")
    answer = Answer.objects.create(question=question, state=AnswerState.DONE, text="90", found=True)
    for number in range(4):
        place: dict[str, Any] = {"page": number + 1, "start_char": 0, "end_char": 2}
        Citation.objects.create(answer=answer, number=number, document=document, document_name="a", document_path="a", quote="90", **place)
    client = signed_in(alice)
    assert client.get(f"/questions/{question.id}/export.pdf").status_code == 200
    assert client.get(f"/questions/{question.id}/export.csv?pages=1").status_code == 200
    assert client.get(f"/questions/{question.id}/export.pdf?pages=1")["Location"] == "/exports/"
    assert client.get(f"/questions/{question.id}/conversation.docx?pages=1")["Location"] == "/exports/"
    assert sorted(Export.objects.values_list("source", "form", "pages")) == [("conversation", "docx", True), ("question", "pdf", True)]
    for export in Export.objects.select_related("job"):
        assert made(export).is_ready


def test_a_conversation_is_written_in_the_language_of_its_page(alice: User, sweep: Sweep) -> None:
    export = begun(alice, sweep, "json")
    assert export.language == "en"
    assert json.loads(made(export).file.read_text())["state"] == "waiting"


def test_it_answers_with_a_file_or_an_export(alice: User, sweep: Sweep, small: None) -> None:
    assert isinstance(export_make(owner=alice, wanted=wanted(sweep), form="csv", pages=False), Export)


def test_it_lets_anybody_save_nothing_of_others(bob: User, sweep: Sweep, client: Client) -> None:
    client.force_login(bob)
    assert client.get(f"/sweeps/{sweep.id}/export.xlsx").status_code == 404
