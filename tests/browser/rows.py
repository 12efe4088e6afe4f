"""Rows for looking at pages: something of everything, in the running application's own database, without waiting for an engine.

`manage.py shell` calls `make`, which prints the ids as JSON. Alice, who made the first account, owns it all.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.utils import timezone

from webapp.accounts.models import ApiToken, User
from webapp.accounts.people import invitation_create, reset_path
from webapp.accounts.services import token_create
from webapp.ask.models import Answer, AnswerState, Citation, Question
from webapp.checklist.models import Cell, Checklist, Judgement, Sweep, SweepState, SweptDocument, Verdict
from webapp.export.models import Export
from webapp.jobs.models import Job, JobKind, JobState, Worker
from webapp.library.members import member_put
from webapp.library.models import Collection
from webapp.sharing.services import link_create

PLACE = {"page": 1, "first_line": None, "last_line": None, "start_char": 0, "end_char": 20}


def make(collection_name: str) -> None:
    """Around the first document of a collection that is there already."""
    now = timezone.now()
    alice = User.objects.get(username="alice")
    bob, _ = User.objects.get_or_create(username="bob")
    collection = Collection.objects.get(name=collection_name)
    document = collection.documents.order_by("created_at")[0]
    member_put(collection=collection, username="bob", may_change=True)
    questions = [_question(collection, alice, document, found) for found in (False, True)]
    sweep = _sweep(collection, alice, document)
    failed = {"state": JobState.FAILED, "error": "Torn.", "traceback": "Traceback\nZeroDivisionError", "ended_at": now}
    Job.objects.create(owner=alice, document=document, kind=JobKind.PARSE, label="torn.pdf", **failed)
    left = [{"job": "x", "label": "Parse torn.pdf", "at": "reading pages", "became": "queued again", "when": now.isoformat()}]
    ago = now - timedelta(minutes=3)
    Worker.objects.create(name="ingest@elsewhere", queue="ingest", pid=7, started_at=ago, seen_at=ago, left=left)
    invitation_create(owner=alice, note="for Carol", is_operator=False)
    if not ApiToken.objects.exists():
        token_create(owner=alice, name="laptop")
    written = Job.objects.create(owner=alice, kind=JobKind.EXPORT, label="a.pdf", state=JobState.DONE, ended_at=now)
    named = {
        "source": "sweep",
        "source_id": sweep.id,
        "form": "pdf",
        "title": "For all",
        "file_name": "made-for-you.pdf",
        "size_bytes": 48211,
    }
    Export.objects.create(owner=alice, collection=collection, job=written, expires_at=now + timedelta(days=1), **named)
    uidb64, token = reset_path(user=bob).strip("/").split("/")[-2:]
    ids = {
        "collection_id": str(collection.id),
        "document_id": str(document.id),
        "question_id": str(questions[1].id),
        "unfound_id": str(questions[0].id),
        "answer_id": str(questions[1].answer.id),
        "sweep_id": str(sweep.id),
        "shared": link_create(answer=questions[1].answer, owner=alice, days=1)[1],
        "join": invitation_create(owner=alice, note="", is_operator=False)[1],
        "uidb64": uidb64,
        "reset": token,
    }
    print("made", json.dumps(ids))


def make_table(documents: int) -> None:
    """A sweep that has ended, over so many documents that are gone; more than a page waits for as PDF. Prints its id."""
    alice = User.objects.get(username="alice")
    collection = Collection.objects.create(owner=alice, name="A long table")
    checklist = Checklist.objects.create(collection=collection, owner=alice, questions=["How much notice is needed?"])
    sweep = Sweep.objects.create(checklist=checklist, state=SweepState.DONE, model="made", mode="spans")
    for number in range(documents):
        names = {"name": f"lease {number}.pdf", "path": f"leases/lease {number}.pdf", "sha256": "0" * 64}
        swept = SweptDocument.objects.create(sweep=sweep, number=number, token_count=900, **names)
        citation = {"number": 1, "quote": "ninety (90) days", "verified": True, **PLACE}
        Cell.objects.create(document=swept, question=0, answer="ninety (90) days", found=True, confidence=0.9, citations=[citation])
    print("made", sweep.id)


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
