"""How far a document is: its stage, how much of how much, and the time that is left by the rate of this stage and no other."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ingest.progress import Progress
from webapp.accounts.models import User
from webapp.accounts.services import token_create
from webapp.jobs.models import Job, JobKind, JobState
from webapp.jobs.selectors import job_progress
from webapp.jobs.services import job_beat, job_claim, job_retry
from webapp.library.models import Collection, Document, DocumentState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker")]


@pytest.fixture
def job(alice: User, collection: Collection) -> Job:
    document = Document.objects.create(collection=collection, name="a.pdf", path="a.pdf", sha256="0" * 64, state=DocumentState.PARSING)
    queued = Job.objects.create(owner=alice, document=document, kind=JobKind.PARSE, label="a.pdf")
    claimed = job_claim(job_id=str(queued.id), worker="ingest@here")
    assert claimed
    return claimed


def tell(job: Job, stage: str, done: int, *, seconds_ago: int, total: int = 1000, unit: str = "pages") -> None:
    """A report, and the stage began so long ago."""
    assert job_beat(job=job, progress=Progress(stage, done, total, unit))
    Job.objects.filter(id=job.id).update(stage_at=timezone.now() - timedelta(seconds=seconds_ago))


def test_the_time_left_is_told_by_the_rate_of_this_stage(job: Job) -> None:
    Job.objects.update(started_at=timezone.now() - timedelta(minutes=10))
    tell(job, "reading pages", 900, seconds_ago=600)
    tell(job, "making chunks", 20_000, total=100_000, unit="tokens", seconds_ago=10)
    job.refresh_from_db()
    progress = job_progress(job)
    assert (progress.stage, progress.done, progress.total, progress.unit) == ("making chunks", 20_000, 100_000, "tokens")
    assert progress.per_second
    assert progress.seconds_left == pytest.approx(80_000 / progress.per_second)
    assert progress.seconds_left < 1200, "40 seconds and what this test took, not 48 minutes"


def test_a_report_of_the_same_stage_does_not_begin_it_again_nor_does_another_attempt(job: Job) -> None:
    tell(job, "reading pages", 1, seconds_ago=60)
    began = Job.objects.get().stage_at
    assert job_beat(job=job, progress=Progress("reading pages", 2, 1000, "pages"))
    Job.objects.update(state=JobState.QUEUED)
    again = job_claim(job_id=str(job.id), worker="ingest@there")
    assert again
    assert job_beat(job=again, progress=Progress("reading pages", 3, 1000, "pages"))
    assert Job.objects.get().stage_at == began
    Job.objects.update(state=JobState.FAILED)
    job_retry(job=again)
    assert Job.objects.get().stage_at is None


def test_the_page_and_the_api_say_stage_pages_and_time_left(job: Job, alice: User) -> None:
    tell(job, "reading pages", 250, seconds_ago=10)
    browser = Client()
    browser.force_login(alice)
    page = browser.get(reverse("library-collection", args=[job.document.collection_id])).content.decode()  # type: ignore[union-attr]
    assert re.search(r"reading pages: 250 of 1,?000 pages, [^<]+ left", " ".join(page.split()))
    api = Client(headers={"authorization": f"Bearer {token_create(owner=alice, name='test')[1]}"})
    told = api.get(f"/api/v1/documents/{job.document_id}").json()["progress"]
    assert {name: told[name] for name in ("stage", "done", "total", "unit")} == {
        "stage": "reading pages",
        "done": 250,
        "total": 1000,
        "unit": "pages",
    }
    assert told["seconds_left"] == pytest.approx(750 / told["per_second"])
