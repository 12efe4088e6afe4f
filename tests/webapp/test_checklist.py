"""A sweep's rows with a scripted engine: what is asked, what is kept, what is named as missing, and who goes on where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest
from django.conf import LazySettings
from pytest_django import DjangoCaptureOnCommitCallbacks

from engine.errors import EngineClosed, StoreFull
from engine.events import Done, Failed, Located, PrefillEvent, Quote, Timings, Token, Usage
from engine.prompt import Prompt
from engine.sweep import SweepEvent
from tests.webapp.terms import QUOTE, TEXT, terms_document
from webapp.accounts.models import User
from webapp.checklist import sweeping
from webapp.checklist.models import Cell, Sweep, SweepState
from webapp.checklist.selectors import coverage, pace
from webapp.checklist.services import MOST_AT_ONCE, SweepRefused, sweep_continue, sweep_create, sweep_stop
from webapp.jobs.models import Job, JobState
from webapp.jobs.running import run_job
from webapp.jobs.services import job_cancel
from webapp.library.models import Collection, Document, DocumentState
from webapp.library.services import collection_delete, document_delete

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker"), pytest.mark.weights]

Commit = DjangoCaptureOnCommitCallbacks
QUESTIONS = ["How much notice?", "Which law?"]
START = TEXT.index(QUOTE)


class Scripted:
    """An engine that finds the first question's answer in every document and no other's, and remembers what it was asked.

    `broken`: the documents on which it fails, and how; `before` is called before each answer with (document, question's number).
    `indexed`: of each document that was read ahead, how many tokens of three were, when that was enough for whoever asked for it.
    """

    def __init__(self, before: Callable[[str, int], object] | None = None, broken: dict[str, str] | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self.indexed: dict[str, int] = {}
        self.before, self.broken, self.closed = before or (lambda *_: None), broken or {}, 0

    def prefill(self, prompt: Prompt) -> Iterator[PrefillEvent]:
        (document,) = prompt.documents
        for tier in ("index", "full"):
            for done in range(4):
                self.indexed[document.name] = done if tier == "index" else 99
                yield PrefillEvent(document.id, done, 3, done, 3, tier)

    def sweep(self, prompts: Iterable[Prompt], questions: Sequence[str]) -> Iterator[SweepEvent]:
        try:
            for prompt in prompts:
                (document,) = prompt.documents
                for number, question in enumerate(questions):
                    self.before(document.name, number)
                    self.asked.append((document.name, question))
                    yield from ((document.id, number, event) for event in self._answer(document.id, document.name, question))
        finally:
            self.closed += 1

    def _answer(self, id: str, name: str, question: str) -> Iterator[Located | Token | Quote | Done | Failed]:
        yield Located(id, 0, START, START + len(QUOTE), QUOTE, score=1.0)
        if name in self.broken:
            yield Failed(self.broken[name])
            return
        found = question == QUESTIONS[0]
        if found:
            yield Token("90 days")
            yield Quote(id, START, START + len(QUOTE), QUOTE, verified=True)
        yield Done("90 days" if found else "", found, 0.8, Usage(30, 1, 30, 1), Timings(0.1, 0.2, 0.3, 0.4), "scripted", "isolated")


@pytest.fixture
def documents(collection: Collection) -> list[Document]:
    """a.txt to d.txt: three that can be asked, and one that failed."""
    made = [terms_document(collection) for _ in range(3)]
    for document, name in zip(made, "abc", strict=True):
        Document.objects.filter(id=document.id).update(name=f"{name}.txt", path=f"{name}.txt", token_count=100)
    bad = Document.objects.create(
        collection=collection, name="d.txt", path="d.txt", sha256="0" * 64, state=DocumentState.FAILED, error="It is torn."
    )
    return [*made, bad]


@pytest.fixture
def sweep(collection: Collection, documents: list[Document], alice: User, django_capture_on_commit_callbacks: Commit) -> Sweep:
    with django_capture_on_commit_callbacks(execute=True):
        return sweep_create(collection=collection, owner=alice, questions=QUESTIONS)


def run(sweep: Sweep, engine: Scripted, commit: Commit | None = None) -> Sweep:
    sweep.refresh_from_db()
    assert sweep.job

    def work() -> None:
        run_job(str(sweep.job_id), "test", lambda job, report: sweeping.sweep(job, report, engine))  # type: ignore[arg-type]

    if commit:
        with commit(execute=True):
            work()
    else:
        work()
    return Sweep.objects.get(id=sweep.id)


def cells(sweep: Sweep) -> dict[tuple[str, int], Cell]:
    return {(cell.document.path, cell.question): cell for cell in Cell.objects.filter(document__sweep=sweep).select_related("document")}


def test_it_asks_every_document_every_question_and_keeps_each_answer_with_its_citation(sweep: Sweep) -> None:
    engine = Scripted()
    saved = run(sweep, engine)
    assert (saved.state, saved.model, saved.mode, engine.closed) == (SweepState.DONE, "scripted", "isolated", 1)
    assert engine.asked == [(f"{name}.txt", question) for name in "abc" for question in QUESTIONS]
    kept = cells(sweep)
    assert set(kept) == {(f"{name}.txt", number) for name in "abc" for number in (0, 1)}
    found, unfound = kept["b.txt", 0], kept["b.txt", 1]
    assert (found.answer, found.found, found.confidence, found.nearest, found.read_tokens) == ("90 days", True, 0.8, {}, 30)
    place = {"page": None, "first_line": 3, "last_line": 3, "start_char": START, "end_char": START + len(QUOTE), "reading": "file"}
    assert found.citations == [{"number": 1, "quote": QUOTE, "verified": True} | place]
    assert (unfound.answer, unfound.found, unfound.citations, unfound.nearest) == ("", False, [], {"text": QUOTE} | place)
    job = Job.objects.get(id=saved.job_id)
    assert (job.state, job.done, job.total, job.unit) == (JobState.DONE, 6, 6, "answers")


def test_it_names_what_it_did_not_ask(sweep: Sweep) -> None:
    run(sweep, Scripted())
    covered = coverage(sweep=sweep)
    assert (covered.documents, covered.documents_of, covered.tokens, covered.tokens_of) == (3, 4, 300, 300)
    assert (covered.cells, covered.cells_of, covered.found) == (6, 6, 3)
    assert covered.line == "3 of 4 documents, 300 of 300 tokens; 1 not asked: d.txt"
    assert [(row.path, row.reason) for row in covered.left_out] == [("d.txt", "It is torn.")]


def test_one_broken_document_is_named_and_ends_no_other(sweep: Sweep) -> None:
    saved = run(sweep, Scripted(broken={"b.txt": "Parse it again."}))
    assert saved.state == SweepState.DONE
    covered = coverage(sweep=sweep)
    assert covered.line == "2 of 4 documents, 200 of 300 tokens; 1 not asked: d.txt; 1 failed: b.txt"
    assert [(row.path, row.reason) for row in covered.failed] == [("b.txt", "Parse it again.")]
    assert (cells(sweep)["b.txt", 0].error, cells(sweep)["c.txt", 0].found) == ("Parse it again.", True)


def test_it_says_that_a_document_without_files_cannot_be_read(sweep: Sweep, documents: list[Document]) -> None:
    documents[0].folder.parsed.ids.unlink()
    engine = Scripted()
    assert run(sweep, engine).state == SweepState.DONE
    assert {name for name, _ in engine.asked} == {"b.txt", "c.txt"}
    assert "Parse the document again" in cells(sweep)["a.txt", 1].error


def test_it_goes_on_where_a_dead_worker_was(sweep: Sweep) -> None:
    class Killed(BaseException):
        pass

    def die(name: str, number: int) -> None:
        if (name, number) == ("b.txt", 1):
            raise Killed

    with pytest.raises(Killed):
        run(sweep, Scripted(before=die))
    assert set(cells(sweep)) == {("a.txt", 0), ("a.txt", 1), ("b.txt", 0)}
    Job.objects.filter(id=sweep.job_id).update(state=JobState.QUEUED)  # as the watchdog does
    engine = Scripted()
    assert run(sweep, engine).state == SweepState.DONE
    assert engine.asked == [("b.txt", QUESTIONS[1]), ("c.txt", QUESTIONS[0]), ("c.txt", QUESTIONS[1])]
    assert len(cells(sweep)) == 6


def test_it_lets_others_have_their_turn_and_goes_on_later(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "SLICE_SECONDS", -1.0)
    engine = Scripted()
    for count in (2, 4, 6):
        saved = run(sweep, engine)
        assert len(cells(sweep)) == count, "a document at a time"
    assert saved.state == SweepState.DONE
    assert len(engine.asked) == 6


def test_it_has_each_document_indexed_before_it_is_asked(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers do not depend on how far reading ahead is, and do not wait for more than the index, nor for documents of later turns."""
    monkeypatch.setattr(sweeping, "TOGETHER", 2)
    seen = {}
    engine = Scripted(before=lambda name, number: seen.setdefault((name, number), dict(engine.indexed)))
    assert run(sweep, engine).state == SweepState.DONE
    two, three = {"a.txt": 3, "b.txt": 3}, {"a.txt": 3, "b.txt": 3, "c.txt": 3}
    assert seen == {(f"{name}.txt", number): three if name == "c" else two for name in "abc" for number in (0, 1)}


def test_it_goes_on_where_nothing_more_can_be_indexed(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Prompt) -> Iterator[PrefillEvent]:
        raise StoreFull("The store is full.")
        yield

    engine = Scripted()
    monkeypatch.setattr(engine, "prefill", full)
    assert (run(sweep, engine).state, len(engine.asked)) == (SweepState.DONE, 6)


def test_it_is_stopped_while_a_document_is_indexed(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Commit
) -> None:
    monkeypatch.setattr(sweeping, "REPORT_SECONDS", 0.0)
    engine, told = Scripted(), list[int]()

    def long(prompt: Prompt) -> Iterator[PrefillEvent]:
        for done in range(100):
            told.append(done)
            if done == 3:
                sweep_stop(sweep=sweep)
            yield PrefillEvent(prompt.documents[0].id, done, 100, done, 100, "index")

    monkeypatch.setattr(engine, "prefill", long)
    assert run(sweep, engine, django_capture_on_commit_callbacks).state == SweepState.STOPPED
    assert (told, engine.asked) == ([0, 1, 2, 3], [])


def test_it_stops_the_engine_when_it_is_stopped(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Commit
) -> None:
    monkeypatch.setattr(sweeping, "REPORT_SECONDS", 0.0)
    engine = Scripted(before=lambda name, _: name == "b.txt" and sweep_stop(sweep=sweep))
    saved = run(sweep, engine, django_capture_on_commit_callbacks)
    assert (saved.state, engine.closed) == (SweepState.STOPPED, 1)
    assert set(cells(sweep)) <= {("a.txt", 0), ("a.txt", 1), ("b.txt", 0)}
    assert not sweep_stop(sweep=sweep)
    assert run(sweep, engine).state == SweepState.STOPPED


def test_it_is_stopped_by_an_operator_who_cancels_its_job(sweep: Sweep, django_capture_on_commit_callbacks: Commit) -> None:
    assert sweep.job
    with django_capture_on_commit_callbacks(execute=True):
        job_cancel(job=sweep.job)
    assert Sweep.objects.get().state == SweepState.STOPPED


def test_it_asks_later_what_was_missing(sweep: Sweep, documents: list[Document], collection: Collection) -> None:
    run(sweep, Scripted(broken={"b.txt": "Parse it again."}))
    mended = terms_document(collection)
    mended.folder.folder.rename(documents[3].folder.folder)
    mended.delete()
    Document.objects.filter(id=documents[3].id).update(state=DocumentState.READY, token_count=50, error="")
    assert sweep_continue(sweep=sweep)
    assert not sweep_continue(sweep=sweep), "it has not ended now"
    engine = Scripted()
    assert run(sweep, engine).state == SweepState.DONE
    assert engine.asked == [(name, question) for name in ("b.txt", "d.txt") for question in QUESTIONS]
    assert coverage(sweep=sweep).line == "4 of 4 documents, 350 of 350 tokens"


def test_it_stops_where_everything_breaks_in_the_same_way(sweep: Sweep, django_capture_on_commit_callbacks: Commit) -> None:
    broken = Scripted(broken={f"{name}.txt": "The server does not answer." for name in "abc"})
    saved = run(sweep, broken, django_capture_on_commit_callbacks)
    assert (saved.state, saved.error) == (SweepState.FAILED, "The server does not answer.")
    assert broken.closed == 1
    sweep_continue(sweep=saved)
    assert run(sweep, Scripted()).state == SweepState.DONE
    assert not [cell for cell in cells(sweep).values() if cell.error]


def test_it_is_not_failed_by_a_worker_that_ends(sweep: Sweep) -> None:
    def close(name: str, _: int) -> None:
        if name == "b.txt":
            raise EngineClosed("The engine was closed.")

    saved = run(sweep, Scripted(before=close))
    assert (saved.state, Job.objects.get(id=saved.job_id).state) == (SweepState.RUNNING, JobState.QUEUED)
    assert run(sweep, Scripted()).state == SweepState.DONE


def test_it_ends_quietly_when_its_collection_is_deleted(sweep: Sweep, collection: Collection) -> None:
    engine = Scripted(before=lambda name, _: name == "b.txt" and Collection.objects.exists() and collection_delete(collection=collection))
    assert sweep.job
    run_job(str(sweep.job.id), "test", lambda job, report: sweeping.sweep(job, report, engine))  # type: ignore[arg-type]
    assert Job.objects.get(id=sweep.job.id).state == JobState.DONE
    assert not Sweep.objects.exists()


def test_its_table_outlives_a_document(sweep: Sweep, documents: list[Document]) -> None:
    run(sweep, Scripted())
    document_delete(document=documents[0])
    kept = cells(sweep)["a.txt", 0]
    assert (kept.answer, kept.document.document) == ("90 days", None)
    assert coverage(sweep=sweep).documents == 3


def test_it_tells_its_pace_from_the_answers_of_the_job_at_work(sweep: Sweep) -> None:
    seen = []
    engine = Scripted(before=lambda name, number: seen.append(pace(sweep=Sweep.objects.get(), left=6 - len(seen))))
    run(sweep, engine)
    assert seen[0].seconds_left is None
    assert seen[-1].seconds_left is not None
    assert seen[-1].per_minute
    assert pace(sweep=Sweep.objects.get(), left=0).per_minute is None


def test_it_drops_empty_lines_and_repetitions_and_what_nobody_sees(collection: Collection, documents: list[Document], alice: User) -> None:
    made = sweep_create(collection=collection, owner=alice, questions=["", "  Why\x00\tnow? ", "How?", "Why now?", "\u202e"])
    assert made.checklist.questions == ["Why now?", "How?"]


@pytest.mark.parametrize(
    ("questions", "reason"),
    [([], "one a line"), (["x" * 2001], "fewer words"), ([f"Question {number}?" for number in range(61)], "at most 60")],
)
def test_it_refuses_what_is_no_checklist(
    collection: Collection, documents: list[Document], alice: User, questions: list[str], reason: str
) -> None:
    with pytest.raises(SweepRefused, match=reason):
        sweep_create(collection=collection, owner=alice, questions=questions)


def test_it_refuses_what_is_too_much(collection: Collection, documents: list[Document], alice: User, settings: LazySettings) -> None:
    settings.LONGREAD_SWEEP_DOCUMENTS = 3
    with pytest.raises(SweepRefused, match="asks at most 3"):
        sweep_create(collection=collection, owner=alice, questions=QUESTIONS)
    settings.LONGREAD_SWEEP_DOCUMENTS = 4
    for _ in range(MOST_AT_ONCE):
        sweep_create(collection=collection, owner=alice, questions=QUESTIONS)
    with pytest.raises(SweepRefused, match="Wait for one"):
        sweep_create(collection=collection, owner=alice, questions=QUESTIONS)


def test_it_refuses_a_collection_with_nothing_to_ask(collection: Collection, alice: User) -> None:
    with pytest.raises(SweepRefused, match="Add a document"):
        sweep_create(collection=collection, owner=alice, questions=QUESTIONS)
