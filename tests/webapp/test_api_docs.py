"""Every example of docs/api.md works as it stands there, in the order of the page."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.architecture.source import ROOT
from tests.ingest import pdfs
from tests.webapp.test_access import whole_export
from webapp.accounts.models import User
from webapp.accounts.services import token_create
from webapp.api import collections, questions
from webapp.api.api import api
from webapp.ask.models import Answer, AnswerState, Question
from webapp.checklist.models import Cell, SweptDocument
from webapp.export.models import Export
from webapp.library.members import member_put
from webapp.library.models import Collection, Document, DocumentState

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
FILES = {"lease.txt": b"Either party may terminate upon ninety (90) days' notice.", "empty.txt": b""}


@pytest.mark.django_db
def test_it_answers_every_example_of_the_page(alice: User, bob: User, clean_broker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (collections, questions):  # no worker answers here
        monkeypatch.setattr(module, "wait_for_end", lambda **_: False)
    monkeypatch.setattr(settings, "LONGREAD_GIT_HOSTS", ["github.com"])
    shared = Collection.objects.create(owner=bob, name="Shared with Alice")
    member_put(collection=shared, username="alice", may_change=False)
    names = {"LONGREAD": "", "TOKEN": token_create(owner=alice, name="docs")[1], "SHARED": str(shared.id)}
    for command in COMMANDS:
        if "/unlock" in command:
            _lock(Document.objects.get(id=names["DOCUMENT"]))
        response = _run(command, names)
        assert response.status_code < 300, f"{command}: {response.content!r}"
        _remember(response, names)
        _work(alice, names)
    assert not Document.objects.exists()


def _lock(document: Document) -> None:
    document.folder.original.write_bytes(pdfs.encrypted(pdfs.pages_of_text([(72, 72, "Ninety days.")])))
    Document.objects.filter(id=document.id).update(state=DocumentState.LOCKED)


def _work(alice: User, names: dict[str, str]) -> None:
    """What workers would do meanwhile."""
    Document.objects.update(state=DocumentState.READY)
    Answer.objects.update(state=AnswerState.DONE)
    for swept in SweptDocument.objects.filter(cells=None):
        names["CELL"] = str(Cell.objects.create(document=swept, question=0).id)
    if question := Question.objects.filter(id=names.get("QUESTION")).select_related("collection").first():
        names["CONVERSATION"] = str(question.conversation_id)
        if not Export.objects.exists():
            names["EXPORT"] = str(whole_export(alice, question.collection, question).id)


def test_it_shows_an_example_of_every_operation() -> None:
    shown = {(_method(command.split()), _pattern(command.split()[_address(command.split())].strip('"'))) for command in COMMANDS}
    paths = api.get_openapi_schema(path_prefix="/api/v1/")["paths"]
    there = {(method.upper(), _pattern(path)) for path, methods in paths.items() for method in methods}
    assert there == shown


def _run(command: str, names: dict[str, str]) -> Any:
    words = shlex.split(re.sub(r"\$([A-Z]+)", lambda found: names[found[1]], command))
    headers = dict(value.split(": ", 1) for flag, value in pairwise(words) if flag == "-H")
    client = Client(headers={"authorization": headers["Authorization"]})
    send = getattr(client, _method(words).lower())
    address = words[_address(words)]
    if "-F" in words:
        sent: dict[str, list[SimpleUploadedFile]] = {}
        for field, _, name in (value.partition("=@") for flag, value in pairwise(words) if flag == "-F"):
            sent.setdefault(field, []).append(SimpleUploadedFile(name, FILES[name]))
        return send(address, sent)
    if "--data-binary" in words:
        part = FILES[words[words.index("--data-binary") + 1].removeprefix("@")]
        return send(address, part, content_type="application/octet-stream")
    if "-d" in words:
        return send(address, words[words.index("-d") + 1], content_type=headers["Content-Type"])
    return send(address)


def _remember(response: Any, names: dict[str, str]) -> None:
    """The ids that later examples need."""
    if response.status_code not in (201, 202):
        return
    made = response.json()
    if "files" in made:
        names["DOCUMENT"] = made["files"][0]["document"]["id"]
    elif "username" in made:
        names["MEMBER"] = made["id"]
    elif "prefix" in made:
        names["LINK"] = made["id"]
    elif "part_bytes" in made:
        names["UPLOAD"] = made["id"]
    elif "job" in made and Question.objects.filter(id=made["id"]).exists():
        names |= {"QUESTION": made["id"], "JOB": made["job"]}
    elif "coverage" in made:
        names["SWEEP"] = made["id"]
    elif "name" in made and "state" not in made and "reason" not in made:
        names.setdefault("COLLECTION", made["id"])


def _method(words: list[str]) -> str:
    return words[words.index("-X") + 1] if "-X" in words else "GET"


def _address(words: list[str]) -> int:
    return next(index for index, word in enumerate(words) if "/api/v1/" in word)


def _pattern(address: str) -> str:
    """An address with every id, and the form of an export, left open."""
    path = address[address.index("/api/v1/") :].split("?")[0]
    return re.sub(r"\$[A-Z]+|\{\w+\}", "{}", re.sub(r"export\.\w+", "export.{}", path))


def test_it_shows_answers_that_are_json() -> None:
    blocks = re.findall(r"```json\n(.*?)```", PAGE, re.S)
    assert blocks
    assert all(json.loads(block) for block in blocks)
