"""Asking, answering with a scripted engine, stopping, and following the answer over the real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import AsyncClient
from pytest_django import DjangoCaptureOnCommitCallbacks

from engine.events import AnswerEvent, AnswerOptions, Done, Failed, Located, Quote, Timings, Token, Usage
from engine.prompt import Prompt
from tests.webapp.terms import QUOTE, TEXT, terms_document
from webapp.accounts.models import User
from webapp.ask import answering, event_log
from webapp.ask.models import Answer, AnswerState
from webapp.ask.services import QuestionRefused, answer_stop, question_ask
from webapp.core.broker import async_broker
from webapp.jobs.models import Job, JobState
from webapp.jobs.running import run_job
from webapp.jobs.services import job_fail
from webapp.library.models import Collection, Document

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker"), pytest.mark.weights]

Commit = DjangoCaptureOnCommitCallbacks
ANSWER = "90 days"


class Scripted:
    """An engine that says what it was told to, for the prompt's first document, and remembers whether it was closed."""

    def __init__(self, *script: AnswerEvent | Callable[[], None]) -> None:
        self.script = script
        self.closed = False

    def answer(self, prompt: Prompt, question: str, *, options: AnswerOptions) -> Iterator[AnswerEvent]:
        try:
            for step in self.script:
                if callable(step):
                    step()
                else:
                    yield step
        finally:
            self.closed = True


@pytest.fixture
def document(collection: Collection) -> Document:
    return terms_document(collection)


@pytest.fixture
def answer(collection: Collection, document: Document, alice: User, django_capture_on_commit_callbacks: Commit) -> Answer:
    with django_capture_on_commit_callbacks(execute=True):
        return question_ask(collection=collection, owner=alice, text="  How much\nnotice? ").answer


def located(document: Document) -> Located:
    start = TEXT.index(QUOTE)
    return Located(str(document.id), 0, start, start + len(QUOTE), QUOTE, score=1.5, lexical=2.0, likelihood=0.5)


def quote(document: Document) -> Quote:
    start = TEXT.index(QUOTE)
    return Quote(str(document.id), start, start + len(QUOTE), QUOTE, verified=True)


def done() -> Done:
    return Done(ANSWER, True, 0.8, Usage(30, 1, 30, 1), Timings(0.1, 0.2, 0.3, 0.4), "scripted", "isolated")


def run(answer: Answer, engine: Scripted) -> Answer:
    assert answer.job
    run_job(str(answer.job.id), "test", lambda job, report: answering.answer(job, report, engine))  # type: ignore[arg-type]
    return Answer.objects.get(id=answer.id)


def test_it_refuses_a_question_of_nothing(collection: Collection, alice: User) -> None:
    with pytest.raises(QuestionRefused, match="Add a document"):
        question_ask(collection=collection, owner=alice, text="How much notice?")


@pytest.mark.parametrize(("text", "reason"), [("  \n ", "Type a question"), ("why " * 600, "fewer words")])
def test_it_refuses_an_empty_or_endless_question(collection: Collection, document: Document, alice: User, text: str, reason: str) -> None:
    with pytest.raises(QuestionRefused, match=reason):
        question_ask(collection=collection, owner=alice, text=text)


def test_it_drops_what_nobody_can_see_from_a_question(collection: Collection, document: Document, alice: User) -> None:
    question = question_ask(collection=collection, owner=alice, text="How\x00 much\u202e\tnotice?")
    assert question.text == "How much notice?"


def test_it_keeps_the_answer_with_its_citations(answer: Answer, document: Document) -> None:
    saved = run(answer, Scripted(located(document), Token("90 "), Token("days"), quote(document), done()))
    assert (saved.state, saved.text, saved.found, saved.model) == (AnswerState.DONE, ANSWER, True, "scripted")
    assert saved.usage["prompt_tokens"] == 30
    (citation,) = saved.citations.all()
    assert (citation.number, citation.quote, citation.verified) == (1, QUOTE, True)
    assert (citation.page, citation.first_line, citation.last_line) == (None, 3, 3)
    assert saved.located[0]["first_line"] == 3
    assert saved.question.text == "How much notice?"


def test_it_names_what_was_asked_by_a_hash_that_a_changed_document_changes(answer: Answer, document: Document) -> None:
    first = run(answer, Scripted(done())).prompt_hash
    assert first == answering.prompt_hash("How much notice?", [document])
    document.sha256 = uuid4().hex
    assert first != answering.prompt_hash("How much notice?", [document])


def test_it_stops_the_engine_when_asked_to(answer: Answer, document: Document) -> None:
    engine = Scripted(located(document), Token("90 "), lambda: answer_stop(answer=answer), Token("days"), quote(document), done())
    saved = run(answer, engine)
    assert engine.closed
    assert (saved.state, saved.text) == (AnswerState.STOPPED, "90 ")


def test_it_takes_a_stopped_question_out_of_the_queue(answer: Answer, django_capture_on_commit_callbacks: Commit) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer_stop(answer=answer)
    engine = Scripted(done())
    saved = run(answer, engine)
    assert not engine.closed
    assert saved.state == AnswerState.STOPPED
    assert saved.job
    assert saved.job.state == JobState.CANCELLED


def test_it_shows_the_engine_s_reason_when_it_fails(answer: Answer) -> None:
    saved = run(answer, Scripted(Failed("The disk is full. Free some space and ask again.")))
    assert (saved.state, saved.error) == (AnswerState.FAILED, "The disk is full. Free some space and ask again.")


def test_it_ends_the_answer_when_its_worker_died_for_good(answer: Answer, django_capture_on_commit_callbacks: Commit) -> None:
    Job.objects.filter(id=answer.job_id).update(state=JobState.RUNNING, attempt=3)
    with django_capture_on_commit_callbacks(execute=True):
        job_fail(job=Job.objects.get(id=answer.job_id), error="The worker stopped 3 times.")
    answer.refresh_from_db()
    assert (answer.state, answer.error) == (AnswerState.FAILED, "The worker stopped 3 times.")


def test_it_says_that_a_second_attempt_starts_again(answer: Answer, document: Document) -> None:
    Job.objects.filter(id=answer.job_id).update(attempt=1)
    run(answer, Scripted(Token("90 days"), quote(document), done()))
    names = [name for name, _ in logged(answer)]
    assert names[0] == "restart"


def logged(answer: Answer) -> list[tuple[str, dict[str, object]]]:
    async def read() -> list[tuple[str, dict[str, object]]]:
        redis = async_broker()
        found = []
        async for event in event_log.follow(redis, answer.id, "0-0", 200):
            if event is None:
                break
            found.append((event.name, event.data))
        await redis.aclose()
        return found

    return asyncio.run(read())


async def read_stream(client: AsyncClient, answer: Answer, **headers: str) -> str:
    response = await client.get(f"/answers/{answer.id}/stream", headers=headers)
    assert response.status_code == 200
    assert response["X-Accel-Buffering"] == "no"
    return b"".join([part async for part in response.streaming_content]).decode()


@pytest.mark.django_db(transaction=True)
def test_it_streams_the_answer_and_resumes_after_the_last_event(answer: Answer, document: Document, alice: User) -> None:
    run(answer, Scripted(located(document), Token("90 <b>"), Token("days"), quote(document), done()))
    client = AsyncClient()
    client.force_login(alice)
    whole = asyncio.run(read_stream(client, answer))
    assert whole.index("event: located") < whole.index("event: token") < whole.index("event: citation") < whole.index("event: done")
    assert "90 &lt;b&gt;" in whole
    first_token = next(block for block in whole.split("\n\n") if "event: token" in block)
    event_id = first_token.split("id: ")[1].split("\n")[0]
    rest = asyncio.run(read_stream(client, answer, **{"Last-Event-ID": event_id}))
    assert rest == whole[whole.index(first_token) + len(first_token) + 2 :]


@pytest.mark.django_db(transaction=True)
def test_it_ends_the_stream_of_an_answer_whose_log_is_gone(answer: Answer, document: Document, alice: User) -> None:
    run(answer, Scripted(done()))
    event_log.broker().flushdb()
    client = AsyncClient()
    client.force_login(alice)
    assert "event: done" in asyncio.run(read_stream(client, answer))


@pytest.mark.django_db(transaction=True)
def test_it_hides_an_answer_s_stream_from_everybody_else(answer: Answer, bob: User, staff: User) -> None:
    for stranger in (bob, staff):
        client = AsyncClient()
        client.force_login(stranger)
        assert asyncio.run(client.get(f"/answers/{answer.id}/stream")).status_code == 404  # type: ignore[arg-type]
    assert asyncio.run(AsyncClient().get(f"/answers/{answer.id}/stream")).status_code == 404  # type: ignore[arg-type]


def test_it_goes_on_following_an_answer_that_is_silent_for_long(answer: Answer) -> None:
    """Longer than the Redis client's own time-out, which once broke every stream that had to wait."""

    async def wait() -> object:
        redis = async_broker()
        try:
            return await anext(event_log.follow(redis, answer.id, "0-0", 6_000))
        finally:
            await redis.aclose()

    assert asyncio.run(wait()) is None


def test_it_writes_no_file_under_a_user_s_name(document: Document) -> None:
    assert document.folder.original == Path(document.folder.root) / str(document.id) / "original"
