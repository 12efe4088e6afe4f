"""Exports: everything that the rows know, verbatim, and nothing in a document can break out of its place in the file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpResponse
from django.test import RequestFactory
from markdown_it import MarkdownIt

from webapp.accounts.models import User
from webapp.ask.export import escaped, export_response, fenced, question_export, question_json, question_markdown
from webapp.ask.models import Answer, AnswerState, Citation, Question
from webapp.library.models import Collection, Document

HOSTILE = [
    "```\n# Owned\n<script>alert(1)</script>",
    "````text\n~~~\n> out",
    "two\n\n## Heading\n\n[click](javascript:alert(1)) ![x](http://a/b.png)",
    "tick at the end `",
    "a\r```\rb",
]


@pytest.fixture
def question(alice: User, collection: Collection) -> Question:
    question = Question.objects.create(collection=collection, owner=alice, text="How much notice is needed to terminate?")
    document = Document.objects.create(collection=collection, name="contract.pdf", path="contract.pdf", sha256="0" * 64)
    answer = Answer.objects.create(
        question=question,
        state=AnswerState.DONE,
        text="ninety (90) days",
        found=True,
        confidence=0.87,
        model="smollm2-135m-instruct",
        mode="joined",
        prompt_hash="abc123",
        located=[{"document": str(document.id), "name": "contract.pdf", "page": 4, "score": 3.5, "text": "upon ninety (90) days"}],
        usage={"prompt_tokens": 12000, "chunks": 30, "read_tokens": 900},
        timings={"locate_s": 0.01, "prefill_s": 1.5, "first_token_s": 1.7, "total_s": 2.0},
    )
    _cite(answer, 1, quote="ninety (90) days’ prior\nwritten notice", document=document, page=4, verified=True)
    _cite(answer, 2, quote="notice_period = 90", document_path="src/terms.py", first_line=12, last_line=14, verified=False)
    return question


def _cite(answer: Answer, number: int, **fields: Any) -> Citation:
    names = {"document_name": "contract.pdf", "document_path": "contract.pdf", "start_char": 100, "end_char": 140}
    return Citation.objects.create(answer=answer, number=number, **(names | fields))


def test_it_exports_the_shape_that_ask_prints(question: Question) -> None:
    record = json.loads(question_json(question))
    answer = record["answer"]
    keys = {"answer", "found", "confidence", "citations", "located", "model", "mode", "usage", "timings"}
    assert set(answer) == keys
    assert {"document", "page", "quote", "start_char", "end_char", "verified", "path", "first_line", "last_line"} <= set(
        answer["citations"][0]
    )
    assert {"document", "page", "score", "text"} <= set(answer["located"][0])
    assert set(answer["timings"]) == {"parse_s", "prefill_s", "locate_s", "first_token_s", "total_s"}
    assert answer["citations"][0]["quote"] == "ninety (90) days’ prior\nwritten notice"
    assert (answer["located"][0]["document"], answer["located"][0]["page"]) == ("contract.pdf", 4)
    assert record["prompt_hash"] == "abc123"


def test_it_writes_the_answer_with_its_quotes_and_places_as_markdown(question: Question) -> None:
    tokens = MarkdownIt().parse(question_markdown(question))
    fences = [token.content for token in tokens if token.type == "fence"]
    text = "".join(child.content for token in tokens for child in token.children or [] if child.type == "text")
    assert fences == ["ninety (90) days’ prior\nwritten notice\n", "notice_period = 90\n"]
    for words in ("ninety (90) days", "page 4", "lines 12 to 14", "src/terms.py", "verified: it stands", "unverified", "joined", "abc123"):
        assert words in text
    assert "smollm2-135m-instruct" in text
    assert "first_token_s: 1.700" in text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_it_lets_no_quote_break_out_of_its_fence(hostile: str) -> None:
    tokens = MarkdownIt().parse(f"{fenced(hostile)}\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content == hostile.replace("\r", "\n") + "\n"


@pytest.mark.parametrize("hostile", [*HOSTILE, "- item", "1. item", "a | b", "https://evil.example", "&amp; <b>", "\\", "===", "    code"])
def test_it_lets_no_name_or_answer_mean_anything_to_markdown(hostile: str) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(escaped(hostile))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children) == " ".join(hostile.split())


def test_it_says_when_nothing_was_found_and_when_an_answer_failed(question: Question) -> None:
    answer = question.answer
    answer.found, answer.text = False, ""
    assert "Not found in these documents." in question_markdown(question)
    answer.state, answer.error = AnswerState.FAILED, "The model is missing."
    assert "No answer: The model is missing\\." in question_markdown(question)


def test_it_keeps_a_quote_whose_document_is_gone(question: Question) -> None:
    Document.objects.all().delete()
    again = Question.objects.get(id=question.id)
    citation = json.loads(question_json(again))["answer"]["citations"][0]
    assert (citation["document"], citation["document_id"]) == ("contract.pdf", None)
    assert "ninety (90) days’ prior" in question_markdown(again)


@pytest.mark.parametrize(
    ("text", "name"),
    [("How much?", "how-much"), ('../../etc/passwd"; x="', "etcpasswd-x"), ("何日ですか", "question"), ("a\r\nB: b", "a-b-b")],
)
def test_it_names_the_file_safely(question: Question, text: str, name: str) -> None:
    question.text = text
    response = export_response(question, "md")
    assert response["Content-Disposition"] == f'attachment; filename="{name}.md"'
    assert response["Content-Type"].startswith("text/markdown")


def test_it_gives_the_file_to_its_owner_alone(rf: RequestFactory, question: Question, alice: User, bob: User) -> None:
    assert _export(rf, AnonymousUser(), question, "json").status_code == 302
    with pytest.raises(Http404):
        _export(rf, bob, question, "json")
    with pytest.raises(Http404):
        _export(rf, alice, question, "exe")
    response = _export(rf, alice, question, "json")
    assert (response.status_code, json.loads(response.content)["question"]) == (200, question.text)


def _export(rf: RequestFactory, user: User | AnonymousUser, question: Question, form: str) -> HttpResponse:
    request = rf.get("/")
    request.user = user
    return question_export(request, question.id, form)
