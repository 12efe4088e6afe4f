"""The lives of workers: the living, those that died and what they left, and those that were told to stop."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from webapp.accounts.models import User
from webapp.core.broker import broker
from webapp.jobs import services, workers
from webapp.jobs.lives import Life, life_beat, life_end, worker_list
from webapp.jobs.models import Job, JobKind, JobState, Worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker")]

LONG_AGO = timedelta(minutes=10)


def lived(name: str = "ingest@here", *, pid: int = 7, heard: timedelta = timedelta(0)) -> Worker:
    now = timezone.now()
    return Worker.objects.create(name=name, queue="ingest", pid=pid, started_at=now - heard - LONG_AGO, seen_at=now - heard)


def running(owner: User, *, heard: timedelta, attempt: int = 1) -> Job:
    at = timezone.now() - heard
    fields = {"state": JobState.RUNNING, "worker": "ingest@here", "heartbeat_at": at, "started_at": at, "attempt": attempt}
    return Job.objects.create(
        owner=owner, kind=JobKind.PARSE, label="a.pdf", stage="reading pages", done=3, total=9, unit="pages", **fields
    )


def test_it_keeps_one_row_a_life() -> None:
    started = timezone.now()
    for _ in range(2):
        life_beat(name="ingest@here", queue="ingest", pid=7, started_at=started)
    life_beat(name="ingest@here", queue="ingest", pid=7, started_at=started + timedelta(seconds=1))
    assert Worker.objects.count() == 2


def test_it_shows_a_worker_that_died_with_when_and_what_it_left(
    alice: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    lived(heard=timedelta(minutes=2))
    running(alice, heard=timedelta(minutes=2))
    (dead,) = worker_list()
    assert (dead.life, [str(job) for job in dead.jobs], dead.left) == (Life.DEAD, ["Parse a.pdf"], [])
    with django_capture_on_commit_callbacks(execute=True):
        services.jobs_recover()
    (dead,) = worker_list()
    assert timezone.now() - dead.seen_at > timedelta(seconds=115)
    assert dead.jobs == []
    assert [(left.label, left.at, left.became) for left in dead.left] == [("Parse a.pdf", "reading pages, 3 of 9 pages", "queued again")]


def test_it_says_what_became_of_a_job_that_killed_too_many(alice: User) -> None:
    lived(heard=timedelta(minutes=2))
    running(alice, heard=timedelta(minutes=2), attempt=3)
    services.jobs_recover()
    assert "failed: the worker had stopped 3 times" in worker_list()[0].left[0].became


def test_it_tells_the_dead_from_its_successor(alice: User) -> None:
    lived(heard=timedelta(minutes=5), pid=7)
    lived(pid=8)
    running(alice, heard=timedelta(seconds=1))
    alive, dead = worker_list()
    assert (alive.pid, alive.life, len(alive.jobs)) == (8, Life.ALIVE, 1)
    assert (dead.pid, dead.life, dead.successor, dead.jobs) == (7, Life.DEAD, True, [])


def test_it_leaves_a_job_at_the_life_in_which_it_was_last_heard(alice: User) -> None:
    now = timezone.now()
    first = Worker.objects.create(name="ingest@here", queue="ingest", pid=1, started_at=now - timedelta(hours=2), seen_at=now - LONG_AGO)
    Worker.objects.create(name="ingest@here", queue="ingest", pid=1, started_at=now - timedelta(minutes=1), seen_at=now)
    running(alice, heard=LONG_AGO)
    services.jobs_recover()
    assert [bool(worker.left) for worker in worker_list()] == [False, True]
    first.refresh_from_db()
    assert len(first.left) == 1


def test_it_forgets_the_dead_after_a_day_and_those_who_stopped_and_were_replaced() -> None:
    lived(pid=1, heard=timedelta(hours=25))
    started = timezone.now()
    life_beat(name="ingest@here", queue="ingest", pid=2, started_at=started)
    life_end(name="ingest@here", pid=2, started_at=started)
    assert [(worker.pid, worker.life) for worker in worker_list()] == [(2, Life.STOPPED)]
    lived(pid=3)
    assert [worker.pid for worker in worker_list()] == [3]


class Sender:
    hostname = "engine@here"


def test_it_beats_in_its_row_and_in_the_broker_and_ends_both() -> None:
    workers.beat("engine@here", "engine")
    assert broker().exists("longread:worker:engine@here")
    assert worker_list()[0].is_alive
    workers.stop(Sender())
    workers._stopping.clear()
    assert not broker().exists("longread:worker:engine@here")
    assert worker_list()[0].life is Life.STOPPED


def test_it_counts_the_wait_of_a_job_from_when_it_last_began_to_wait(alice: User) -> None:
    hour_ago: datetime = timezone.now() - timedelta(hours=1)
    job = Job.objects.create(owner=alice, kind=JobKind.PARSE, label="x", state=JobState.FAILED, queued_at=hour_ago, started_at=hour_ago)
    services.job_retry(job=job)
    job.refresh_from_db()
    assert job.queued_at > hour_ago + timedelta(minutes=59)
    assert job.started_at is None, "the rate is counted from the new start"
