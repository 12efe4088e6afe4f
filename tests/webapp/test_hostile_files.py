"""A worker that is given hostile files: each ends with its reason, and the worker goes on with the next. With the real queue's rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from ingest.apart import ParsingProcess
from ingest.document import read_document
from ingest.limits import Limits
from ingest.progress import Progress
from tests.processes import children, command_line
from tests.webapp.test_upload import accepted
from webapp.jobs import running
from webapp.jobs.models import Job, JobKind, JobState
from webapp.jobs.running import run_job
from webapp.jobs.services import job_cancel
from webapp.library.models import Collection, Document, DocumentState
from webapp.upload import pipeline

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker"), pytest.mark.weights]

LIMITS = Limits()
Commit = DjangoCaptureOnCommitCallbacks


@pytest.fixture(autouse=True)
def obeying(monkeypatch: pytest.MonkeyPatch, settings: object) -> Iterator[ParsingProcess]:
    """Files are parsed by a parser that does what they say."""
    process = ParsingProcess("tests.ingest.hostile")
    monkeypatch.setattr(pipeline, "read_document", partial(read_document, process=process))
    settings.LONGREAD_LIMITS = replace(LIMITS, parsing=replace(LIMITS.parsing, memory_bytes=800_000_000))  # type: ignore[attr-defined]
    monkeypatch.setattr(running, "HEARTBEAT_SECONDS", 600)  # its thread would meet the test's own connection
    yield process
    process.close()


def read(document: Document, commit: Commit) -> Document:
    with commit(execute=True):
        run_job(str(document.jobs.get(kind=JobKind.PARSE).id), "test", pipeline.parse_document)
    document.refresh_from_db()
    return document


def test_a_worker_outlives_what_its_files_do(collection: Collection, django_capture_on_commit_callbacks: Commit) -> None:
    said = {}
    for order in ("crash", "allocate", "kill_its_maker", "recurse"):
        failed = read(accepted(collection, f"{order}.txt", f"first\n{order}".encode()), django_capture_on_commit_callbacks)
        assert failed.state == DocumentState.FAILED
        assert [path.name for path in failed.folder.folder.iterdir()] == ["original"]
        said[order] = failed.error
    good = read(accepted(collection, "good.txt", b"first\ntell_process"), django_capture_on_commit_callbacks)
    assert good.state == DocumentState.PARSED
    assert "SIGSEGV" in said["crash"]
    assert "800 MB of memory" in said["allocate"]
    assert "Try again" in said["kill_its_maker"]
    assert "RecursionError" in said["recurse"]


def test_a_cancelled_job_ends_the_process_of_its_file(
    collection: Collection, django_capture_on_commit_callbacks: Commit, obeying: ParsingProcess
) -> None:
    document = accepted(collection, "silent.txt", b"first\nsleep")
    job = document.jobs.get(kind=JobKind.PARSE)

    def cancelling(claimed: Job, report: object) -> object:
        def told(progress: Progress, /) -> None:
            if progress.done:
                job_cancel(job=claimed)
            report(progress)  # type: ignore[operator]

        return pipeline.parse_document(claimed, told)

    run_job(str(job.id), "test", cancelling)  # type: ignore[arg-type]
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert [path.name for path in document.folder.folder.iterdir()] == ["original"]
    assert not [pid for pid in children(os.getpid()) if "tests.ingest.hostile" in command_line(pid)]
