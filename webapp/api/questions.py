"""/questions: the answer with its citations, stopping it, and taking it home as a file."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from ninja import Router, Status
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.exports import FILE, made
from webapp.api.paging import Pages
from webapp.api.schemas.jobs import ExportOut
from webapp.api.schemas.questions import AskedOut, QuestionOut, QuestionRecord, Wait
from webapp.api.streaming import stream_response, wait_for_end
from webapp.ask.live import after_of
from webapp.ask.models import Question
from webapp.ask.records import question_record
from webapp.ask.selectors import question_detail, questions_of, require_stop
from webapp.ask.services import answer_stop
from webapp.export.answers import taken_question
from webapp.export.forms import FormName
from webapp.export.models import Source
from webapp.export.services import Wanted

router = Router(tags=["questions"])

STREAM: dict[str, Any] = {"responses": {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}}


@router.get("", response=list[QuestionOut])
@paginate(Pages)
def questions(request: ApiRequest) -> QuerySet[Question]:
    return questions_of(user=request.auth)


@router.get("/{question_id}", response=QuestionRecord)
def detail(request: ApiRequest, question_id: UUID, wait: Wait = 0) -> dict[str, Any]:
    """`answer` has the shape that `./run ask --json` prints; it fills while the state is streaming. `wait` so many seconds for its end."""
    if wait:
        wait_for_end(answer=question_detail(user=request.auth, question_id=question_id).answer, seconds=wait)
    return question_record(question_detail(user=request.auth, question_id=question_id))


@router.get("/{question_id}/stream", openapi_extra=STREAM)
def stream(request: ApiRequest, question_id: UUID) -> StreamingHttpResponse:
    """Server-sent events with JSON data: `located` places, `token` text, `citation`s, and at the end `done` with the whole record.

    `restart` says that the answer begins anew. A cut stream goes on after the header `Last-Event-ID`."""
    return stream_response(question_detail(user=request.auth, question_id=question_id), after_of(request.headers.get("Last-Event-ID", "")))


@router.post("/{question_id}/stop", response={202: AskedOut})
def stop(request: ApiRequest, question_id: UUID) -> Status[AskedOut]:
    """Stops the model at its next token. An answer that has ended stays as it is."""
    question = question_detail(user=request.auth, question_id=question_id)
    require_stop(user=request.auth, question=question)
    answer_stop(answer=question.answer)
    return Status(202, AskedOut.of(question_detail(user=request.auth, question_id=question_id)))


@router.get("/{question_id}/export.{form}", response={202: ExportOut}, openapi_extra=FILE)
def export(request: ApiRequest, question_id: UUID, form: FormName, pages: bool = False) -> Any:
    """The question with its answer as a file; `pages`: a PDF or Word file with the cited pages as figures.

    What takes long is made by a worker (202): look at /exports/ID until its `file` is there."""
    question = question_detail(user=request.auth, question_id=question_id)
    return made(request, Wanted(Source.QUESTION, question.id, question.collection, taken_question(question)), form, pages)
