"""/collections: make, list, look at and delete; and the documents and questions of one."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from ninja import File, Router, Status
from ninja.files import UploadedFile
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.limits import AskThrottle
from webapp.api.paging import Pages
from webapp.api.schemas import AskedOut, CollectionIn, CollectionOut, DocumentOut, QuestionIn, QuestionOut, SweepIn, SweepRecord, UploadOut
from webapp.ask.models import Question
from webapp.ask.selectors import followed
from webapp.ask.services import question_ask
from webapp.checklist.models import Sweep
from webapp.checklist.services import sweep_create
from webapp.library.access import Right
from webapp.library.models import Collection, Document
from webapp.library.selectors import collection_detail, collection_list
from webapp.library.services import collection_create, collection_delete
from webapp.upload.services import files_accept

router = Router(tags=["collections"])


@router.get("", response=list[CollectionOut])
@paginate(Pages)
def collections(request: ApiRequest) -> QuerySet[Collection]:
    return collection_list(user=request.auth)


@router.post("", response={201: CollectionOut})
def create(request: ApiRequest, body: CollectionIn) -> Status[Collection]:
    return Status(201, collection_create(owner=request.auth, name=body.name))


@router.get("/{collection_id}", response=CollectionOut)
def detail(request: ApiRequest, collection_id: UUID) -> Collection:
    return collection_detail(user=request.auth, collection_id=collection_id)


@router.delete("/{collection_id}", response={204: None})
def delete(request: ApiRequest, collection_id: UUID) -> Status[None]:
    """Deletes the collection with its documents, their files and their stored state."""
    collection_delete(collection=collection_detail(user=request.auth, collection_id=collection_id, right=Right.OWN))
    return Status(204, None)


@router.get("/{collection_id}/documents", response=list[DocumentOut])
@paginate(Pages)
def documents(request: ApiRequest, collection_id: UUID) -> QuerySet[Document]:
    return collection_detail(user=request.auth, collection_id=collection_id).documents.prefetch_related("jobs")


@router.post("/{collection_id}/documents", response={202: UploadOut})
def upload(request: ApiRequest, collection_id: UUID, files: File[list[UploadedFile]]) -> Status[dict[str, Any]]:
    """Takes many files, field name `files`. A refused file does not stop the others; each has its own outcome."""
    collection = collection_detail(user=request.auth, collection_id=collection_id, right=Right.CHANGE)
    return Status(202, {"files": files_accept(collection=collection, files=files)})


@router.get("/{collection_id}/questions", response=list[QuestionOut])
@paginate(Pages)
def questions(request: ApiRequest, collection_id: UUID) -> QuerySet[Question]:
    return collection_detail(user=request.auth, collection_id=collection_id).questions.select_related("answer")


@router.post("/{collection_id}/questions", response={202: AskedOut}, throttle=[AskThrottle()])
def ask(request: ApiRequest, collection_id: UUID, body: QuestionIn) -> Status[AskedOut]:
    """Queues the question; ask for /questions/ID until its state is done, stopped or failed."""
    collection = collection_detail(user=request.auth, collection_id=collection_id)
    before = followed(collection=collection, question_id=body.follows) if body.follows else None
    question = question_ask(collection=collection, owner=request.auth, text=body.question, follows=before, left_out=body.left_out)
    return Status(202, AskedOut.of(question))


@router.post("/{collection_id}/sweeps", response={202: SweepRecord}, throttle=[AskThrottle()])
def sweep(request: ApiRequest, collection_id: UUID, body: SweepIn) -> Status[Sweep]:
    """Puts the same questions to every document, each alone; ask for /sweeps/ID until its state is done, stopped or failed."""
    collection = collection_detail(user=request.auth, collection_id=collection_id, right=Right.CHANGE)
    return Status(202, sweep_create(collection=collection, owner=request.auth, questions=body.questions))
