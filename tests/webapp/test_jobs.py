"""The life of a job: claims, reports, deaths and second attempts, against the real broker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from ingest.errors import FileRefused
from ingest.progress import Progress, Report
from webapp.accounts.models import User
from webapp.core.broker import broker
from webapp.jobs import services
from webapp.jobs.lives import worker_list
from webapp.jobs.models import Job, JobKind, JobState
from webapp.jobs.queues import queue_depths
from webapp.jobs.running import Outcome, run_job
from webapp.jobs.workers import beat
from webapp.library.models import Collection, Document, DocumentState
from webapp.upload import pipeline

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker")]

Commit = DjangoCaptureOnCommitCallbacks


@pytest.fixture
def document(collection: Collection) -> Document:
    return Document.objects.create(collection=collection, name="a.txt", path="a.txt", size_bytes=3, sha256="0" * 64)


@pytest.fixture
def job(alice: User, document: Document, django_capture_on_commit_callbacks: Commit) -> Job:
    with django_capture_on_commit_callbacks(execute=True):
        return services.job_create(owner=alice, kind=JobKind.PARSE, label="a.txt", document=document)


def work(outcome: Outcome) -> Callable[[Job, Report], Outcome]:
    return lambda job, report: outcome


def test_it_sends_a_new_job_to_its_queue(job: Job) -> None:
    assert queue_depths() == {"ingest": 1, "engine": 0}


def test_it_puts_questions_before_reading(alice: User, document: Document, django_capture_on_commit_callbacks: Commit) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        services.job_create(owner=alice, kind=JobKind.PREFILL, label="a.txt", document=document)
        services.job_create(owner=alice, kind=JobKind.ANSWER, label="why?")
    assert queue_depths()["engine"] == 2
    assert (broker().llen("engine"), broker().llen("engine:9")) == (1, 1)


def test_it_lets_one_worker_claim_a_job(job: Job) -> None:
    assert services.job_claim(job_id=str(job.id), worker="one") is not None
    assert services.job_claim(job_id=str(job.id), worker="two") is None


def test_it_runs_a_job_to_its_end(job: Job) -> None:
    run_job(str(job.id), "one", work(Outcome.DONE))
    job.refresh_from_db()
    assert (job.state, job.attempt, job.worker) == (JobState.DONE, 1, "one")
    assert job.ended_at is not None


def test_it_runs_a_job_once_though_its_message_comes_twice(job: Job) -> None:
    runs: list[Job] = []

    def counted(job: Job, report: Report) -> Outcome:
        runs.append(job)
        return Outcome.DONE

    run_job(str(job.id), "one", counted)
    run_job(str(job.id), "two", counted)
    assert len(runs) == 1


def test_it_queues_again_what_has_more_to_do(job: Job, django_capture_on_commit_callbacks: Commit) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        run_job(str(job.id), "one", work(Outcome.MORE))
    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)
    assert queue_depths()["ingest"] == 2


def test_it_shows_a_bad_file_s_own_reason(job: Job, document: Document, django_capture_on_commit_callbacks: Commit) -> None:
    def refuse(job: Job, report: Report) -> Outcome:
        raise FileRefused("This file is empty. Choose it again.")

    with django_capture_on_commit_callbacks(execute=True):
        run_job(str(job.id), "one", refuse)
    job.refresh_from_db()
    document.refresh_from_db()
    assert (job.state, job.error, job.traceback) == (JobState.FAILED, "This file is empty. Choose it again.", "")
    assert (document.state, document.error) == (DocumentState.FAILED, "This file is empty. Choose it again.")


def test_it_keeps_the_traceback_of_our_own_failure_for_the_operator(job: Job) -> None:
    def crash(job: Job, report: Report) -> Outcome:
        raise ZeroDivisionError("inside")

    run_job(str(job.id), "one", crash)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "ZeroDivisionError: inside" in job.traceback
    assert "inside" not in job.error


def test_it_stops_a_cancelled_job_at_its_next_report(job: Job) -> None:
    reached: list[str] = []

    def cancelled_midway(job: Job, report: Report) -> Outcome:
        services.job_cancel(job=job)
        report(Progress("reading pages", 1, 2, "pages"))
        reached.append("after")
        return Outcome.DONE

    run_job(str(job.id), "one", cancelled_midway)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert reached == []


def test_it_gives_a_dead_worker_s_job_to_another(job: Job, django_capture_on_commit_callbacks: Commit) -> None:
    services.job_claim(job_id=str(job.id), worker="dead")
    silence(job, 60)
    broker().flushdb()
    with django_capture_on_commit_callbacks(execute=True):
        assert services.jobs_recover() == 1
    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.QUEUED, 1)
    assert queue_depths()["ingest"] == 1


def test_it_leaves_a_living_worker_s_job_alone(job: Job) -> None:
    services.job_claim(job_id=str(job.id), worker="alive")
    assert services.jobs_recover() == 0


def test_it_ends_a_job_that_has_killed_three_workers(job: Job, document: Document, django_capture_on_commit_callbacks: Commit) -> None:
    for _ in range(3):
        services.job_claim(job_id=str(job.id), worker="dead")
        silence(job, 60)
        with django_capture_on_commit_callbacks(execute=True):
            services.jobs_recover()
    job.refresh_from_db()
    document.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "stopped 3 times" in job.error
    assert document.state == DocumentState.FAILED


def test_it_ignores_what_a_worker_says_after_losing_its_job(job: Job) -> None:
    late = services.job_claim(job_id=str(job.id), worker="slow")
    assert late is not None
    silence(job, 60)
    services.jobs_recover()
    assert services.job_claim(job_id=str(job.id), worker="other") is not None
    assert not services.job_finish(job=late)
    assert not services.job_beat(job=late, progress=Progress("reading pages", 1, 2, "pages"))
    job.refresh_from_db()
    assert (job.state, job.worker) == (JobState.RUNNING, "other")


def test_it_sends_a_lost_message_again(job: Job, django_capture_on_commit_callbacks: Commit) -> None:
    broker().flushdb()
    Job.objects.filter(id=job.id).update(sent_at=timezone.now() - timedelta(minutes=2))
    with django_capture_on_commit_callbacks(execute=True):
        assert services.jobs_recover() == 1
    assert queue_depths()["ingest"] == 1


def test_it_retries_a_failed_document_from_the_start(job: Job, document: Document, django_capture_on_commit_callbacks: Commit) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        run_job(str(job.id), "one", lambda job, report: 1 // 0)  # type: ignore[arg-type, return-value]
    job.refresh_from_db()
    with django_capture_on_commit_callbacks(execute=True):
        assert services.job_retry(job=job)
    job.refresh_from_db()
    document.refresh_from_db()
    assert (job.state, job.attempt, job.error) == (JobState.QUEUED, 0, "")
    assert (document.state, document.error) == (DocumentState.UPLOADED, "")


def test_it_lists_living_workers_with_what_they_do(job: Job) -> None:
    beat("ingest@here", "ingest")
    services.job_claim(job_id=str(job.id), worker="ingest@here")
    (worker,) = worker_list()
    assert (worker.name, worker.queue, worker.is_alive) == ("ingest@here", "ingest", True)
    assert [str(job) for job in worker.jobs] == ["Parse a.txt"]


def test_it_lists_a_worker_that_does_several_things_at_once(job: Job, alice: User) -> None:
    beat("engine@here", "engine")
    for label in ("why?", "how?", "when?"):
        services.job_claim(job_id=str(services.job_create(owner=alice, kind=JobKind.ANSWER, label=label).id), worker="engine@here")
    (worker,) = worker_list()
    assert [str(job) for job in worker.jobs] == ["Answer why?", "Answer how?", "Answer when?"]


def test_it_does_not_send_again_what_waits_in_a_worker(job: Job, django_capture_on_commit_callbacks: Commit) -> None:
    broker().flushdb()
    Job.objects.filter(id=job.id).update(sent_at=timezone.now() - timedelta(minutes=2))
    services.jobs_keep([str(job.id)])
    with django_capture_on_commit_callbacks(execute=True):
        assert services.jobs_recover() == 0
    assert queue_depths()["ingest"] == 0


def silence(job: Job, seconds: int) -> None:
    assert pipeline  # its receivers tell the document
    Job.objects.filter(id=job.id).update(heartbeat_at=timezone.now() - timedelta(seconds=seconds))
