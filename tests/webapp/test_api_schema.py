"""The API keeps to its own description: schemathesis makes requests of it, fitting and unfitting, for what is there and what is not.

No answer is a 500, and none has a status, a type or a form that the description does not name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.http import HttpResponse
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.webapp.test_access import document_of, whole_export, whole_upload
from webapp.accounts.models import User
from webapp.accounts.services import token_create
from webapp.api import collections, limits, questions
from webapp.api.api import api
from webapp.ask.models import Answer, AnswerState, Citation, Conversation, Question
from webapp.checklist.models import Cell, Checklist, Sweep, SweptDocument, Verdict
from webapp.jobs.models import Job, JobKind
from webapp.library.members import member_put
from webapp.library.models import Collection
from webapp.sharing.services import link_create

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_broker")]

SCHEMA = schemathesis.openapi.from_dict(api.get_openapi_schema())
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# The same ones each time, about a second an operation.
EXAMPLES = examples(
    max_examples=12, deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def ids(alice: User, collection: Collection) -> dict[str, str]:
    """One of everything that an address may name."""
    document = document_of(collection)
    conversation = Conversation.objects.create(collection=collection, owner=alice)
    question = Question.objects.create(conversation=conversation, collection=collection, owner=alice, text="How much notice?")
    answer = Answer.objects.create(question=question, state=AnswerState.DONE, text="90 days", found=True)
    Citation.objects.create(answer=answer, number=1, document_name="a", document_path="a", quote="90", start_char=0, end_char=2)
    sweep = Sweep.objects.create(checklist=Checklist.objects.create(collection=collection, owner=alice, questions=["How much?"]))
    swept = SweptDocument.objects.create(sweep=sweep, document=document, number=0, name="a.pdf", path="a.pdf", sha256="a")
    cell = Cell.objects.create(document=swept, question=0)
    Verdict.objects.create(cell=cell, person=alice, judgement="confirmed", note="so it is")
    job = Job.objects.create(owner=alice, document=document, kind=JobKind.PARSE, label="a.pdf")
    link, _ = link_create(answer=answer, owner=alice, days=1)
    bob = User.objects.create_user("bob", password="correct horse battery")
    member = member_put(collection=collection, username=bob.username, may_change=False)
    rows = {"collection": collection, "document": document, "question": question, "sweep": sweep, "job": job, "cell": cell, "link": link}
    rows |= {"member": member, "conversation": conversation, "export": whole_export(alice, collection, question)}
    return {f"{name}_id": str(row.id) for name, row in {**rows, "upload": whole_upload(alice, collection)}.items()}


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Requests that do not come through Django's test client would close the connection in whose transaction the test stands."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.mark.usefixtures("one_connection")
@pytest.mark.parametrize("label", OPERATIONS)
def test_it_answers_as_it_says(label: str, ids: dict[str, str], alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CALLS_A_MINUTE", 10**6)
    for module in (collections, questions):  # no worker answers here
        monkeypatch.setattr(module, "wait_for_end", lambda **_: False)
    monkeypatch.setattr(questions, "stream_response", lambda *_: HttpResponse(content_type="text/event-stream"))
    headers = {"Authorization": f"Bearer {token_create(owner=alice, name='test')[1]}"}
    operation = OPERATIONS[label]
    operation.app = get_wsgi_application()

    @given(case=cases(operation), is_there=st.booleans())
    @EXAMPLES
    def ask(case: Case, is_there: bool) -> None:
        if is_there:
            case.path_parameters = {name: ids.get(name, value) for name, value in case.path_parameters.items()}
        with transaction.atomic():
            response = case.call(headers={**case.headers, **headers}, app=operation.app)
            transaction.set_rollback(True)
        case.validate_response(response, checks=CHECKS)

    ask()


def cases(operation: APIOperation) -> st.SearchStrategy[Case]:
    """Requests as described, and requests that break the description."""
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    return st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))


def test_it_gives_an_example_of_every_field_that_is_sent() -> None:
    found = api.get_openapi_schema()["components"]["schemas"]
    sent = {name: fields["properties"] for name, fields in found.items() if name.endswith(("In", "Patch"))}
    assert len(sent) >= 12
    assert not [(name, field) for name, fields in sent.items() for field, each in fields.items() if not each.get("examples")]


def test_it_asks_every_operation() -> None:
    assert len(OPERATIONS) > 50
