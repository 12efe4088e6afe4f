"""Documents and questions where a model server answers."""

from __future__ import annotations

import threading

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from engine.remote.address import ServerAddress
from engine.remote.engine import RemoteEngine
from tests.remote_server import MODEL, Scripted, says, scripted, silent, status
from tests.webapp.terms import QUOTE, terms_document, tokenizer
from webapp.accounts.models import User
from webapp.ask import answering
from webapp.ask.event_log import request_stop
from webapp.ask.models import Answer, AnswerState
from webapp.ask.services import question_ask
from webapp.jobs.models import JobKind
from webapp.jobs.running import run_job
from webapp.jobs.services import job_create
from webapp.library.models import Collection, Document, DocumentState
from webapp.upload import pipeline

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker"), pytest.mark.weights]

Commit = DjangoCaptureOnCommitCallbacks


@pytest.fixture
def document(collection: Collection) -> Document:
    return terms_document(collection)


@pytest.fixture
def answer(collection: Collection, document: Document, alice: User, django_capture_on_commit_callbacks: Commit) -> Answer:
    with django_capture_on_commit_callbacks(execute=True):
        return question_ask(collection=collection, owner=alice, text="How much notice?").answer


def remote(server: Scripted) -> RemoteEngine:
    return RemoteEngine(ServerAddress(server.url), tokenizer())


def run(answer: Answer, server: Scripted) -> Answer:
    assert answer.job
    engine = remote(server)
    run_job(str(answer.job.id), "test", lambda job, report: answering.answer(job, report, engine))
    return Answer.objects.get(id=answer.id)


def test_it_keeps_the_answer_and_marks_the_quote_that_was_made_up(answer: Answer, document: Document) -> None:
    with scripted(says(f"90 days <quote 1>{QUOTE}</quote>, ", "in writing <quote 1>by registered letter</quote>.")) as server:
        saved = run(answer, server)
    assert (saved.state, saved.text, saved.found, saved.model) == (AnswerState.DONE, "90 days [1], in writing [2].", True, MODEL)
    found, invented = saved.citations.all()
    assert (found.number, found.quote, found.verified, found.first_line) == (1, QUOTE, True, 3)
    assert (invented.number, invented.quote, invented.verified, invented.document) == (2, "by registered letter", False, document)
    assert saved.located[0]["name"] == "terms.txt"
    assert saved.mode == "whole prompt"


def test_it_fails_in_the_servers_name(answer: Answer) -> None:
    with scripted(status(401)) as server:
        saved = run(answer, server)
    assert saved.state == AnswerState.FAILED
    assert saved.error.startswith(f"The server at {server.url.split('/')[2]} ")


def test_it_can_be_stopped_while_the_server_reads(answer: Answer) -> None:
    with scripted(silent(30.0)) as server:
        threading.Timer(0.7, request_stop, (answer.id,)).start()
        saved = run(answer, server)
    assert (saved.state, saved.text) == (AnswerState.STOPPED, "")


def test_it_has_nothing_to_read_ahead(document: Document, alice: User) -> None:
    job = job_create(owner=alice, kind=JobKind.PREFILL, label=document.path, document=document)
    with scripted(status(500)) as server:
        engine = remote(server)
        run_job(str(job.id), "test", lambda job, report: pipeline.prefill_document(job, report, engine))
        assert not server.requests
    document.refresh_from_db()
    assert (document.state, document.stored_token_count) == (DocumentState.READY, 0)
