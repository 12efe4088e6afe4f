"""Rows for looking at pages: something of everything, in the running application's own database, without waiting for an engine.

Made by a process of that application (`serve`), which a test tells what to make (`Rows`). Alice, who made the first account, owns it all.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.test import Client
from django.utils import timezone

from tests.processes import ROOT, Longread
from webapp.accounts.models import ApiToken, User, token_digest
from webapp.accounts.people import invitation_create, reset_path
from webapp.accounts.services import token_create
from webapp.ask.models import Answer, AnswerState, Citation, Conversation, Question
from webapp.checklist.models import Cell, Checklist, Judgement, Sweep, SweepState, SweptDocument, Verdict
from webapp.export.models import Export
from webapp.jobs.models import DiskReading, Job, JobKind, JobState, Worker
from webapp.library.members import member_put
from webapp.library.models import Collection, Document, DocumentState
from webapp.sharing.models import AnswerLink
from webapp.sharing.services import link_create

SERVE = "from tests.browser.rows import serve; serve()"
PLACE = {"page": 1, "first_line": None, "last_line": None, "start_char": 0, "end_char": 20}


class Rows:
    """What a test calls: one of the functions of this module by its name, with JSON for arguments and answer."""

    def __init__(self, longread: Longread) -> None:
        command = [sys.executable, "manage.py", "shell", "--verbosity=0", "-c", SERVE]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=ROOT, env=longread.environment, text=True, **streams)  # type: ignore[call-overload]

    def __call__(self, what: str, **arguments: Any) -> Any:
        self.process.stdin.write(json.dumps([what, arguments]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)


def serve() -> None:
    """In the application's process: does what the lines of its input say, one answer a line."""
    known = {function.__name__: function for function in (session, expire, make, answered, swept, make_table, many, waits, fills)}
    for line in sys.stdin:
        what, arguments = json.loads(line)
        print(json.dumps(known[what](**arguments)), flush=True)


def session(name: str, operator: bool = False) -> str:
    """The key of a new session of the user of this name, who is made where there is none."""
    user, made = User.objects.get_or_create(username=name)
    if made and operator:
        User.objects.filter(id=user.pk).update(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def expire(shared: str) -> None:
    """The link to an answer with this token has been made long ago."""
    AnswerLink.objects.filter(digest=token_digest(shared)).update(expires_at=timezone.now() - timedelta(minutes=1))


def make(collection: str) -> dict[str, str]:
    """Something of everything, around the first document of Alice's collection of this name."""
    now = timezone.now()
    alice = User.objects.get(username="alice")
    bob, _ = User.objects.get_or_create(username="bob")
    shared = Collection.objects.get(owner=alice, name=collection)
    document = shared.documents.order_by("created_at")[0]
    member_put(collection=shared, username="bob", may_change=True)
    failed = {"state": JobState.FAILED, "error": "Torn.", "traceback": "Traceback\nZeroDivisionError", "ended_at": now}
    Job.objects.create(owner=alice, document=document, kind=JobKind.PARSE, label="torn.pdf", **failed)
    left = [{"job": "x", "label": "Parse torn.pdf", "at": "reading pages", "became": "queued again", "when": now.isoformat()}]
    ago = now - timedelta(minutes=3)
    Worker.objects.create(name="ingest@elsewhere", queue="ingest", pid=7, started_at=ago, seen_at=ago, left=left)
    invitation_create(owner=alice, note="for Carol", is_operator=False)
    if not ApiToken.objects.exists():
        token_create(owner=alice, name="laptop")
    sweep = swept(collection)
    written = Job.objects.create(owner=alice, kind=JobKind.EXPORT, label="a.pdf", state=JobState.DONE, ended_at=now)
    named = {
        "source": "sweep",
        "source_id": sweep,
        "form": "pdf",
        "title": "For all",
        "file_name": "made-for-you.pdf",
        "size_bytes": 48211,
    }
    Export.objects.create(owner=alice, collection=shared, job=written, expires_at=now + timedelta(days=1), **named)
    uidb64, token = reset_path(user=bob).strip("/").split("/")[-2:]
    made = answered(collection)
    conversation = Conversation.objects.create(collection=shared, owner=alice)
    Question.objects.filter(id=made["question_id"]).update(conversation=conversation)
    return {
        **made,
        "collection_id": str(shared.id),
        "document_id": str(document.id),
        "unfound_id": str(_question(shared, alice, document, found=False).id),
        "conversation_id": str(conversation.id),
        "sweep_id": sweep,
        "join": invitation_create(owner=alice, note="", is_operator=False)[1],
        "uidb64": uidb64,
        "reset": token,
    }


def answered(collection: str) -> dict[str, str]:
    """A question to Alice's collection of this name, answered from its first document, and the token of a link to the answer."""
    row = Collection.objects.get(owner__username="alice", name=collection)
    question = _question(row, row.owner, row.documents.order_by("created_at")[0], found=True)
    _, shared = link_create(answer=question.answer, owner=row.owner, days=1)
    return {"question_id": str(question.id), "answer_id": str(question.answer.id), "shared": shared}


def swept(collection: str) -> str:
    """A sweep over Alice's collection of this name that was stopped half-way."""
    row = Collection.objects.get(owner__username="alice", name=collection)
    return str(_sweep(row, row.owner, row.documents.order_by("created_at")[0]).id)


def many(collection: str, count: int) -> None:
    """Documents of every state, one with a very long name, of which there are no files."""
    row = Collection.objects.get(owner__username="alice", name=collection)
    states = list(DocumentState)
    for number in range(count):
        state = states[number % len(states)]
        name = f"Volume {number:03}.pdf" if number else "Minutes_" + "of_the_meeting_" * 12 + "final.pdf"
        facts = {"state": state, "sha256": f"{number:064}", "size_bytes": 10_000 * (number + 1), "kind": "paged"}
        if state == DocumentState.FAILED:
            facts["error"] = "This PDF cannot be read: its cross-reference table is damaged. Save it again from the program that made it."
        elif state not in (DocumentState.UPLOADED, DocumentState.PARSING):
            facts |= {"page_count": number + 1, "token_count": 500 * (number + 1)}
        Document.objects.create(collection=row, name=name, path=name, **facts)


def waits(collection: str, seconds: list[float]) -> None:
    """Questions of Alice's in the last hours, whose first words took so long."""
    row = Collection.objects.get(owner__username="alice", name=collection)
    for hours, wait in enumerate(seconds):
        question = Question.objects.create(collection=row, owner=row.owner, text="How long?")
        answer = Answer.objects.create(question=question, state=AnswerState.DONE, timings={"first_token_s": wait})
        Answer.objects.filter(id=answer.id).update(created_at=timezone.now() - timedelta(hours=hours))


def fills(bytes_an_hour: int) -> None:
    """The disk had so much more room ten hours ago; with 0, nothing is known of that time."""
    then, usage = timezone.now() - timedelta(hours=10), shutil.disk_usage(settings.LONGREAD_HOME)
    DiskReading.objects.filter(created_at__lt=timezone.now() - timedelta(hours=9)).delete()
    if bytes_an_hour:
        reading = DiskReading.objects.create(free_bytes=usage.free + 10 * bytes_an_hour, total_bytes=usage.total)
        DiskReading.objects.filter(id=reading.id).update(created_at=then)


def make_table(documents: int) -> str:
    """A sweep that has ended, over so many documents that are gone; more than a page waits for as PDF. Its id."""
    alice = User.objects.get(username="alice")
    collection = Collection.objects.create(owner=alice, name="A long table")
    checklist = Checklist.objects.create(collection=collection, owner=alice, questions=["How much notice is needed?"])
    sweep = Sweep.objects.create(checklist=checklist, state=SweepState.DONE, model="made", mode="spans")
    for number in range(documents):
        names = {"name": f"lease {number}.pdf", "path": f"leases/lease {number}.pdf", "sha256": "0" * 64}
        row = SweptDocument.objects.create(sweep=sweep, number=number, token_count=900, **names)
        citation = {"number": 1, "quote": "ninety (90) days", "verified": True, **PLACE}
        Cell.objects.create(document=row, question=0, answer="ninety (90) days", found=True, confidence=0.9, citations=[citation])
    return str(sweep.id)


def _question(collection: Collection, owner: User, document: Any, found: bool) -> Question:
    question = Question.objects.create(collection=collection, owner=owner, text="How much notice is needed?")
    place = PLACE | {"document": str(document.id), "name": document.name, "path": document.path}
    scores = {"score": 1.0, "lexical": 1.0, "attention": None, "likelihood": None, "text": "This agreement may be ended."}
    usage = {"prompt_tokens": 4000, "chunks": 9, "read_tokens": 900, "read_chunks": 3, "indexed_tokens": 4000}
    timings = {"locate_s": 0.01, "prefill_s": 0.0, "first_token_s": 0.4, "total_s": 1.2}
    said = {"text": "ninety (90) days", "found": True, "confidence": 0.9} if found else {}
    answer = Answer.objects.create(
        question=question,
        state=AnswerState.DONE,
        model="made",
        mode="spans",
        located=[place | scores],
        usage=usage,
        timings=timings,
        **said,
    )
    if found:
        names = {"document": document, "document_name": document.name, "document_path": document.path}
        Citation.objects.create(answer=answer, number=1, quote="ninety (90) days", verified=True, **names, **PLACE)
    return question


def _sweep(collection: Collection, owner: User, document: Any) -> Sweep:
    checklist = Checklist.objects.create(collection=collection, owner=owner, questions=["How much notice?", "Which law?", "Who pays?"])
    sweep = Sweep.objects.create(checklist=checklist, state=SweepState.STOPPED, model="made", mode="spans")
    facts = {"name": document.name, "path": document.path, "sha256": document.sha256, "token_count": 4000}
    swept = SweptDocument.objects.create(sweep=sweep, document=document, number=0, **facts)
    SweptDocument.objects.create(sweep=sweep, number=1, name="torn.pdf", path="torn.pdf", sha256="0", left_out="It is torn.")
    citation = {"number": 1, "quote": "ninety (90) days", "verified": True} | PLACE
    cell = Cell.objects.create(document=swept, question=0, answer="90 days", found=True, confidence=0.9, citations=[citation])
    Cell.objects.create(document=swept, question=1, nearest=PLACE | {"text": "law"})
    Verdict.objects.create(cell=cell, person=owner, judgement=Judgement.WRONG, note="It is sixty.")
    return sweep
