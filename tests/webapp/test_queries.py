"""That a page asks the database as often for many rows as for few."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.webapp.test_pages import document_of, signed_in
from webapp.accounts.models import User
from webapp.ask.models import Answer, AnswerState, Citation, Conversation, Question
from webapp.checklist.models import Cell, Checklist, Sweep, SweepState, SweptDocument
from webapp.jobs.models import Job, JobKind, JobState
from webapp.library.models import Collection, Document

pytestmark = pytest.mark.django_db

FEW, MANY = 2, 12
PLACE = {"page": None, "first_line": 1, "last_line": 1, "start_char": 0, "end_char": 3}


@pytest.fixture
def rows(collection: Collection) -> Rows:
    return Rows(collection)


class Rows:
    """A collection with a conversation and a sweep, to which a turn, a document, its cell, a job and a neighbour can be added."""

    def __init__(self, collection: Collection) -> None:
        self.collection, self.owner, self.count = collection, collection.owner, 0
        self.conversation = Conversation.objects.create(collection=collection, owner=self.owner)
        checklist = Checklist.objects.create(collection=collection, owner=self.owner, questions=["How much?"])
        self.sweep = Sweep.objects.create(checklist=checklist, state=SweepState.DONE, model="scripted")

    def add(self, count: int) -> None:
        for _ in range(count):
            self.count += 1
            document = document_of(self.collection, name=f"{self.count}.txt")
            self._turn(document)
            self._cell(document)
            Job.objects.create(owner=self.owner, kind=JobKind.PARSE, label=document.path, document=document, state=JobState.RUNNING)
            Collection.objects.create(owner=self.owner, name=f"Neighbour {self.count}")

    def _turn(self, document: Document) -> None:
        asked = Question.objects.create(collection=self.collection, owner=self.owner, text="How much?", conversation=self.conversation)
        place = PLACE | {"document": str(document.id), "name": document.name, "path": document.path, "text": "abc", "score": 1.0}
        answer = Answer.objects.create(question=asked, state=AnswerState.DONE, text="abc", found=True, located=[place])
        about = {"document_name": document.name, "document_path": document.path, "quote": "abc", "verified": True}
        Citation.objects.create(answer=answer, number=1, document=document, **about, **PLACE)

    def _cell(self, document: Document) -> None:
        facts = {"name": document.name, "path": document.path, "sha256": document.sha256, "token_count": 10}
        swept = SweptDocument.objects.create(sweep=self.sweep, document=document, number=self.count, **facts)
        citation = {"number": 1, "quote": "abc", "verified": True} | PLACE
        Cell.objects.create(document=swept, question=0, answer="abc", found=True, confidence=0.9, citations=[citation])

    def address(self, name: str) -> str:
        ids = {"library-collection": self.collection.id, "checklist-list": self.collection.id, "checklist-detail": self.sweep.id}
        if name == "ask-detail":
            return reverse(name, args=[Question.objects.earliest("created_at").id])
        return reverse(name, args=[ids[name]] if name in ids else [])


PAGES = ("library-home", "library-collection", "ask-detail", "checklist-list", "checklist-detail", "jobs-list")


@pytest.mark.parametrize("name", PAGES)
def test_it_asks_as_often_for_many_rows_as_for_few(alice: User, rows: Rows, name: str) -> None:
    browser = signed_in(alice)
    rows.add(FEW)
    few = asked(browser, rows.address(name))
    rows.add(MANY)
    many = asked(browser, rows.address(name))
    assert len(many) <= len(few) <= 25, "\n".join(many)


def asked(browser: Client, address: str) -> list[str]:
    """What a page asks the database."""
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(address).status_code == 200
    return [query["sql"] for query in queries.captured_queries]
