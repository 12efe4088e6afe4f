"""The dashboard answers four questions alone: why is this document not ready, which worker died, is the disk filling, how long do
people wait. And what it says without a broker, to others, and to Prometheus."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from engine.errors import ModelMissing
from engine.events import EngineStatus
from tests.webapp.test_pages import EVIL, signed_in
from webapp.accounts.models import User
from webapp.ask.models import Answer, AnswerState, Question
from webapp.core.broker import broker
from webapp.jobs import disk as disk_module
from webapp.jobs import engine_figures
from webapp.jobs.disk import disk, disk_note
from webapp.jobs.models import DiskReading, Job, JobKind, JobState, Worker
from webapp.library.models import Collection, Document, DocumentState
from webapp.operate.charts import wait_chart
from webapp.operate.selectors import figures
from webapp.operate.waits import percentile, waits

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker")]

STATUS = EngineStatus(
    model="scout-mini",
    device="cpu",
    dtype="int8",
    mode="spans",
    store_bytes=2_000_000_000,
    store_budget_bytes=8_000_000_000,
    store_chunks=4000,
    answers_running=2,
    decode_tokens_per_second=61.0,
    store_hits=90,
    store_misses=10,
    store_evictions=3,
)


@pytest.fixture
def operator(staff: User) -> Client:
    return signed_in(staff)


def shown(client: Client, **query: str) -> str:
    """What one reads, without the marks."""
    response = client.get(reverse("operate-dashboard"), query)
    assert response.status_code == 200
    assert EVIL not in response.content.decode()
    return re.sub(r"\s+", " ", strip_tags(response.content.decode())).replace("&quot;", '"')


def worker(name: str, queue: str, seconds_ago: float = 0, **fields: Any) -> Worker:
    seen = timezone.now() - timedelta(seconds=seconds_ago)
    return Worker.objects.create(name=name, queue=queue, pid=7, started_at=seen - timedelta(hours=1), seen_at=seen, **fields)


def document(collection: Collection, state: str, name: str = "lease.pdf", **fields: Any) -> Document:
    return Document.objects.create(collection=collection, name=name, path=name, state=state, sha256="0" * 64, **fields)


def job(document: Document, kind: str, state: str, **fields: Any) -> Job:
    return Job.objects.create(owner=document.collection.owner, document=document, kind=kind, label=document.name, state=state, **fields)


def answered(collection: Collection, seconds: float, *, queued: float = 0, ago: timedelta = timedelta(minutes=5)) -> None:
    question = Question.objects.create(collection=collection, owner=collection.owner, text="Why?")
    asked = timezone.now() - ago
    work = Job.objects.create(
        owner=collection.owner, kind=JobKind.ANSWER, label="Why?", state=JobState.DONE, started_at=asked + timedelta(seconds=queued)
    )
    answer = Answer.objects.create(question=question, job=work, state=AnswerState.DONE, timings={"first_token_s": seconds})
    Answer.objects.filter(id=answer.id).update(created_at=asked)


# ------------------------------------------------------------------ why is this document not ready?


def test_it_says_why_a_document_is_not_ready_when_no_worker_lives(operator: Client, collection: Collection) -> None:
    job(document(collection, DocumentState.UPLOADED), JobKind.PARSE, JobState.QUEUED)
    html = shown(operator)
    assert "It waits for a worker of the queue “ingest”, and none lives. Start one." in html
    assert "No worker of the queue “ingest” lives. Uploads wait unread." in html


def test_it_says_why_a_document_is_not_ready_when_others_are_before_it(operator: Client, collection: Collection) -> None:
    worker("ingest@here", "ingest")
    old = timezone.now() - timedelta(minutes=9)
    job(document(collection, DocumentState.UPLOADED, "first.pdf"), JobKind.PARSE, JobState.QUEUED, queued_at=old - timedelta(minutes=1))
    job(document(collection, DocumentState.UPLOADED), JobKind.PARSE, JobState.QUEUED, queued_at=old, attempt=1)
    html = shown(operator, q="LEASE")
    assert "It has waited in the queue “ingest” for 9 min and is behind 1 job. A worker stopped while it was at it, 1 time so far." in html
    assert "first.pdf" not in html


def test_it_says_how_far_a_document_is(operator: Client, collection: Collection) -> None:
    at_work = {"worker": "ingest@here", "stage": "reading pages", "done": 12, "total": 80, "unit": "pages"}
    work = job(document(collection, DocumentState.PARSING), JobKind.PARSE, JobState.RUNNING, heartbeat_at=timezone.now(), **at_work)
    assert "ingest@here is at it: reading pages, 12 of 80 pages." in shown(operator)
    Job.objects.filter(id=work.id).update(heartbeat_at=timezone.now() - timedelta(minutes=3))
    assert "ingest@here was working on it and has not been heard for 3 min." in shown(operator)


def test_it_says_what_failed_and_offers_to_try_again(operator: Client, collection: Collection) -> None:
    torn = document(collection, DocumentState.FAILED, error=f"Torn {EVIL}.")
    work = job(torn, JobKind.PARSE, JobState.FAILED, error="Torn.", traceback=f"ZeroDivisionError {EVIL}", ended_at=timezone.now())
    html = operator.get(reverse("operate-dashboard")).content.decode()
    assert "Parse failed: Torn &lt;script&gt;" in html
    assert "ZeroDivisionError" in html
    assert reverse("jobs-retry", args=[work.id]) in html
    assert "1 job failed in the last day." in html


def test_it_goes_by_the_job_at_work_and_not_by_a_later_one_that_failed(operator: Client, collection: Collection) -> None:
    reading = document(collection, DocumentState.READING)
    at_work = {"worker": "engine@here", "stage": "indexing", "done": 1, "total": 9, "unit": "tokens", "heartbeat_at": timezone.now()}
    job(reading, JobKind.PREFILL, JobState.RUNNING, **at_work)
    job(reading, JobKind.PARSE, JobState.CANCELLED, error="Cancelled.")
    assert "engine@here is at it: indexing, 1 of 9 tokens." in shown(operator)


def test_it_says_that_the_store_is_full(operator: Client, collection: Collection) -> None:
    job(document(collection, DocumentState.INDEXED), JobKind.PREFILL, JobState.DONE)
    assert "The store has no room for the rest of its state" in shown(operator)


def test_it_says_when_no_job_works_on_a_document(operator: Client, collection: Collection) -> None:
    document(collection, DocumentState.UPLOADED)
    document(collection, DocumentState.READY, "ready.pdf")
    html = shown(operator)
    assert "No job works on it." in html
    assert "ready.pdf" not in html


# ------------------------------------------------------------------ which worker died?


def test_it_says_which_worker_died_when_and_what_it_left(operator: Client) -> None:
    left = {"job": "x", "label": f"Parse {EVIL}", "at": "reading pages, 3 of 9 pages", "became": "queued again"}
    worker("ingest@dead", "ingest", 180, left=[left | {"when": timezone.now().isoformat()}])
    worker("ingest@alive", "ingest")
    html = shown(operator)
    assert "ingest@dead died 3 min ago. It was not told to stop. It left 1 job." in html
    assert "reading pages, 3 of 9 pages · queued again" in html
    assert "ingest@alive died" not in html


# ------------------------------------------------------------------ is the disk filling?


def usage(monkeypatch: pytest.MonkeyPatch, free: int, total: int = 100 * 10**9) -> None:
    monkeypatch.setattr(disk_module.shutil, "disk_usage", lambda _: disk_module.shutil._ntuple_diskusage(total, total - free, free))


def read_before(hours: float, free: int) -> None:
    reading = DiskReading.objects.create(free_bytes=free, total_bytes=100 * 10**9)
    DiskReading.objects.filter(id=reading.id).update(created_at=timezone.now() - timedelta(hours=hours))


def test_it_says_when_the_disk_will_be_full(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    read_before(2, 24 * 10**9)
    usage(monkeypatch, 20 * 10**9)
    html = shown(operator)
    assert "The disk is full in about 10 h 0 min. It takes 2.0 GB more each hour." in html
    assert "20.0 GB free of 100 GB" in html


def test_it_says_that_the_disk_does_not_fill(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    usage(monkeypatch, 20 * 10**9)
    assert "Whether it fills can be told after half an hour." in shown(operator)
    read_before(2, 20 * 10**9)
    html = shown(operator)
    assert "It is not filling." in html
    assert "The disk is full" not in html


def test_it_says_when_little_is_free(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    usage(monkeypatch, 10**9)
    assert "Only 1.0 GB are free. Uploads may be refused" in shown(operator)


def test_it_reads_the_disk_now_and_then_and_forgets_old_readings() -> None:
    read_before(24 * 8, 1)
    for _ in range(2):
        disk_note()
    assert DiskReading.objects.count() == 1
    assert len(disk().readings) == 2


# ------------------------------------------------------------------ how long do people wait?


def test_it_says_how_long_people_wait_the_queue_included(operator: Client, collection: Collection) -> None:
    for seconds in range(1, 21):
        answered(collection, seconds / 2, queued=1)
    answered(collection, 500, ago=timedelta(hours=25))
    found = waits()
    assert (found.answers, found.p50, found.p95) == (20, 6.0, 10.5)
    html = shown(operator)
    assert "6.0 s half of them" in html
    assert "10 s 95 of 100" in html
    assert "20 answers in the last day" in html


def test_it_says_who_waits_now(operator: Client, collection: Collection) -> None:
    question = Question.objects.create(collection=collection, owner=collection.owner, text="Why?")
    answer = Answer.objects.create(question=question)
    Answer.objects.filter(id=answer.id).update(created_at=timezone.now() - timedelta(minutes=4))
    html = shown(operator)
    assert "1 waiting, the first for 4 min" in html
    assert "Somebody has waited 4 min for an answer to begin." in html


def test_it_draws_each_hour_s_waits_to_scale(collection: Collection) -> None:
    answered(collection, 4, ago=timedelta(minutes=1))
    answered(collection, 8, ago=timedelta(hours=23, minutes=1))
    chart = wait_chart(waits().hours)
    assert chart.ceiling == 10
    assert [(round(bar.x), bar.high) for bar in chart.bars] == [(1, 51.2), (231, 25.6)]
    assert all(bar.top + bar.high == chart.height for bar in chart.bars)


@pytest.mark.parametrize(("values", "share", "expected"), [([], 0.5, None), ([3], 0.95, 3), ([4, 1, 3, 2], 0.5, 2), ([1, 2], 0.95, 2)])
def test_it_takes_the_nearest_rank(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected


# ------------------------------------------------------------------ the rest of it


def test_it_shows_what_the_engine_said(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Engine:
        def status(self) -> EngineStatus:
            return STATUS

    monkeypatch.setattr(engine_figures, "get_engine", lambda *_: Engine())
    engine_figures.tell("engine@here")
    html = shown(operator)
    for words in ("scout-mini", "61 tokens/s writing", "2 answers", "25 % of 8.0 GB", "90 (90 %)", "evictions3"):
        assert words in html


def test_it_shows_why_an_engine_cannot_be_opened(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ModelMissing("There is no model. Run ./run.")

    monkeypatch.setattr(engine_figures, "get_engine", missing)
    engine_figures.tell("engine@here")
    assert "The engine of engine@here cannot be used. There is no model. Run ./run." in shown(operator)


def test_it_says_when_the_store_takes_nothing_more(operator: Client) -> None:
    engine_figures.publish("engine@here", replace(STATUS, store_refused="The disk is full. Make room."))
    assert "The store takes nothing more. The disk is full. Make room." in shown(operator)


def test_it_reads_what_another_version_s_engine_says(operator: Client) -> None:
    engine_figures.publish("engine@here", STATUS)
    said = broker().get("longread:engine:engine@here")
    assert said
    broker().set("longread:engine:engine@here", said.replace(b'"model"', b'"later": 1, "model"'))
    assert "scout-mini" in shown(operator)


def test_it_works_without_the_broker(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.operate.selectors.queue_depths", _down)
    assert "The broker does not answer. Nothing is parsed, read or answered until it does." in shown(operator)


def _down() -> None:
    from redis import ConnectionError

    raise ConnectionError


def test_it_moves_by_itself_and_without_script_by_reloading(operator: Client) -> None:
    whole = operator.get(reverse("operate-dashboard")).content.decode()
    part = operator.get(reverse("operate-dashboard"), headers={"HX-Request": "true", "HX-Target": "dashboard"}).content.decode()
    assert '<noscript><meta http-equiv="refresh"' in whole
    assert part.lstrip().startswith('<div id="dashboard"')
    assert 'hx-trigger="every 3s"' in part
    assert "<html" not in part


def test_it_exists_for_staff_alone(alice: User, client: Client) -> None:
    assert signed_in(alice).get(reverse("operate-dashboard")).status_code == 404
    assert client.get(reverse("operate-dashboard")).headers["Location"].startswith("/login/")
    assert reverse("operate-dashboard") not in signed_in(alice).get("/").content.decode()


@pytest.mark.parametrize("count", [1, 25])
def test_it_asks_the_database_as_often_for_many_as_for_few(
    operator: Client, collection: Collection, count: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    worker("ingest@here", "ingest")
    for number in range(count):
        work = document(collection, DocumentState.PARSING, f"{number}.pdf")
        job(work, JobKind.PARSE, JobState.RUNNING, worker="ingest@here", heartbeat_at=timezone.now())
        answered(collection, 1)
    with django_assert_max_num_queries(32):
        shown(operator)


# ------------------------------------------------------------------ Prometheus


def scraped(client: Client, token: str = "secret word") -> dict[str, dict[tuple[str, ...], float]]:
    response = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {
        family.name: {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in family.samples}
        for family in families
    }


def test_it_gives_prometheus_the_same_figures(client: Client, collection: Collection, settings: Settings) -> None:
    settings.LONGREAD_METRICS_TOKEN = "secret word"
    worker("ingest@here", "ingest")
    worker("ingest@dead", "ingest", 60)
    job(document(collection, DocumentState.UPLOADED), JobKind.PARSE, JobState.QUEUED, queued_at=timezone.now() - timedelta(seconds=50))
    answered(collection, 2)
    engine_figures.publish("engine@here", STATUS)
    found = scraped(client)
    assert found["longread_jobs"][("parse", "queued")] == 1
    assert found["longread_queue_oldest_wait_seconds"][("parse", "ingest")] >= 50
    assert found["longread_workers"] == {("alive", "ingest"): 1, ("dead", "ingest"): 1}
    assert found["longread_first_token_seconds"] == {("0.5",): 2, ("0.95",): 2}
    assert found["longread_store_bytes"] == {("engine@here",): 2e9}
    assert found["longread_store_evictions"] == {("engine@here",): 3}
    assert found["longread_engine_up"] == {("engine@here",): 1}
    assert found["longread_broker_up"] == {(): 1}
    assert found["longread_disk_free_bytes"][()] == pytest.approx(figures().disk.free_bytes, rel=0.2)


def test_it_gives_metrics_to_nobody_without_the_token(client: Client, operator: Client, settings: Settings) -> None:
    assert operator.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404
    settings.LONGREAD_METRICS_TOKEN = "secret word"
    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}, {"Authorization": "Bearer ü"}):
        assert operator.get("/metrics", headers=given).status_code == 403
    assert client.post("/metrics").status_code == 405
