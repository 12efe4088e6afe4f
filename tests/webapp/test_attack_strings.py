"""Known attack strings wherever a person or a document can put words: the pages are taken apart, and nothing of theirs would run."""

from __future__ import annotations

import asyncio
import json
from html.parser import HTMLParser
from uuid import uuid4

import pytest
from django.test import AsyncClient, Client
from django.urls import reverse

from webapp.accounts.models import User
from webapp.ask import event_log
from webapp.ask.models import Answer, AnswerState, Citation, Conversation, Question
from webapp.library.models import Collection, Document, DocumentState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker")]

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</textarea></title></svg><script>alert(1)</script>",
    "<svg/onload=alert(1)><a xlink:href=javascript:alert(1)>",
    "javascript:alert(1)//",
    "[click](javascript:alert(1)) <iframe srcdoc='<script>alert(1)</script>'>",
    "{{ settings.SECRET_KEY }}{% debug %}",
    "\u2028<math><mtext></style><script>alert(1)</script>",
    "data: x\nevent: done\n\n<b hx-get=/ hx-trigger=load>",
]
OUR_SCRIPTS = "/static/"
LINKS = {"href", "src", "action", "hx-get", "hx-post", "xlink:href", "sse-connect", "srcset", "formaction"}
NEVER = {"iframe", "object", "embed", "base", "math", "style", "foreignobject"}


class Checker(HTMLParser):
    """Collects what a page must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in NEVER or (tag == "script" and not (found.get("src") or "").startswith(OUR_SCRIPTS)):
            self.wrong.append(self.get_starttag_text() or tag)
        for name, value in attrs:
            bad_link = name in LINKS and not (value or "").startswith(("/", "#", "?", "data:image/svg+xml"))
            if name.startswith("on") or name == "style" or bad_link:
                self.wrong.append(self.get_starttag_text() or tag)

    def handle_data(self, data: str) -> None:
        self.words += data


def check(page: str) -> str:
    """The words of a page in which nothing is wrong."""
    checker = Checker()
    checker.feed(page)
    assert checker.wrong == []
    return checker.words


@pytest.fixture(params=ATTACKS)
def attack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def document_of(collection: Collection, attack: str, kind: str, suffix: str) -> Document:
    """A document that is the attack: by name, path, notes and text."""
    text = f"# {attack}\n\nclass A:\n    x = '{attack}'\n\n\n{attack}\n\n## 2. Two\n"
    document = Document.objects.create(
        collection=collection,
        name=attack + suffix,
        path=attack + suffix,
        kind=kind,
        state=DocumentState.READY,
        sha256=uuid4().hex,
        token_count=12,
        line_count=text.count("\n") + 1,
        notes=[attack],
    )
    parsed = document.folder.parsed
    parsed.folder.mkdir(parents=True)
    parsed.text.write_bytes(text.encode())
    parsed.pages.write_text(json.dumps({"kind": kind, "pages": []}))
    return document


@pytest.fixture
def answer(collection: Collection, attack: str, alice: User) -> Answer:
    """An answer that is the attack: question, follow-up, text, citation, located place, model and error."""
    Collection.objects.filter(id=collection.id).update(name=attack)
    text, code = document_of(collection, attack, "text", ".md"), document_of(collection, attack, "code", ".py")
    conversation = Conversation.objects.create(collection=collection, owner=alice)
    shared = {"conversation": conversation, "collection": collection, "owner": alice}
    failed = Question.objects.create(text=attack, **shared)
    Answer.objects.create(question=failed, state=AnswerState.FAILED, error=attack)
    left_out = [{"document": str(code.id), "path": code.path}]
    question = Question.objects.create(text=attack, follows=failed, asked_as=f"words {attack}", left_out=left_out, **shared)
    place = {"document": str(text.id), "name": text.name, "path": text.path, "page": None, "first_line": 1, "last_line": 1}
    answer = Answer.objects.create(
        question=question,
        state=AnswerState.DONE,
        found=True,
        text=f"{attack} [1] and more",
        model=attack,
        mode=attack[:40],
        usage={"prompt_tokens": 9, "chunks": 1, "read_tokens": 3, "read_chunks": 1, "named": [attack, attack]},
        timings={"locate_s": 0.1, "prefill_s": 0.0, "first_token_s": 0.2, "total_s": 0.3},
        located=[place | {"start_char": 50, "end_char": 60, "text": attack, "score": 1.0}],
    )
    names = {"document_name": text.name, "document_path": text.path, "first_line": 1, "last_line": 1}
    Citation.objects.create(answer=answer, number=1, document=text, quote=attack * 2, start_char=2, end_char=20, verified=True, **names)
    return answer


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def words(browser: Client, address: str, **query: str) -> str:
    response = browser.get(address, query)
    assert response.status_code == 200
    policy = response["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    return check(response.content.decode())


def visible(attack: str) -> str:
    return " ".join(attack.split())


def test_pages_show_it_and_run_nothing_of_it(browser: Client, answer: Answer, attack: str) -> None:
    question = answer.question
    for row in question.conversation.questions.all() if question.conversation else []:
        assert visible(attack) in " ".join(words(browser, reverse("ask-detail", args=[row.id])).split())
    words(browser, reverse("library-collection", args=[question.collection_id]), q=attack)
    for document in question.collection.documents.all():
        page = reverse("library-document", args=[document.id])
        assert visible(attack) in " ".join(words(browser, page).split())
        words(browser, page, find=attack, zoom=attack, page=attack)
        words(browser, page, find="alert", start="2", end="20")


@pytest.mark.django_db(transaction=True)
def test_its_stream_stays_a_stream(answer: Answer, attack: str, alice: User) -> None:
    """Neither a tag nor an event of its own comes out of what a model or a document says."""
    shown = {"number": 1, "document_id": str(uuid4()), "document_name": attack, "document_path": attack, "page": None, "first_line": 1}
    event_log.write(answer.id, "located", {"places": answer.located})
    event_log.write(answer.id, "token", {"text": attack})
    citation = shown | {"last_line": 1, "quote": attack, "start_char": 0, "end_char": 5, "verified": True}
    event_log.write(answer.id, "citation", citation)
    event_log.write(answer.id, event_log.END, {})
    client = AsyncClient()
    client.force_login(alice)

    async def told() -> str:
        response = await client.get(f"/answers/{answer.id}/stream")
        return b"".join([part async for part in response.streaming_content]).decode()

    stream = asyncio.run(told())
    lines = stream.replace("\r", "\n").split("\n")
    assert [line for line in lines if line.startswith("event:")] == ["event: located", "event: token", "event: citation", "event: done"]
    said = check("\n".join(line.removeprefix("data: ") for line in lines if line.startswith("data: ")))
    assert visible(attack) in " ".join(said.split())
