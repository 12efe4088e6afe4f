"""/collections: make, list, look at and delete; and the documents and questions of one."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from ninja import File, Router, Status
from ninja.files import UploadedFile
from ninja.pagination import paginate

from webapp.api.auth import ApiRequest
from webapp.api.limits import AskThrottle, CallThrottle
from webapp.api.models import PartialUpload
from webapp.api.paging import Pages
from webapp.api.parts import upload_begin
from webapp.api.schemas.collections import CollectionIn, CollectionOut, CollectionPatch
from webapp.api.schemas.documents import DocumentOrder, DocumentOut, HoldingsOut, PartialIn, PartialOut, RepositoryIn, UploadOut
from webapp.api.schemas.questions import AskedOut, ConversationOut, QuestionIn, QuestionOut, QuestionRecord, Wait
from webapp.api.schemas.sweeps import SweepIn, SweepOut, SweepRecord
from webapp.api.streaming import wait_for_end
from webapp.ask.models import Conversation, Question
from webapp.ask.records import question_record
from webapp.ask.selectors import conversations_of, followed, question_detail
from webapp.ask.services import documents_but, question_ask
from webapp.checklist.models import Sweep
from webapp.checklist.question_lists import ready_list
from webapp.checklist.selectors import sweeps_of
from webapp.checklist.services import sweep_create
from webapp.core.listing import Listing
from webapp.library.access import Right
from webapp.library.holdings import Holdings, collection_holdings
from webapp.library.models import Collection, Document
from webapp.library.selectors import collection_detail, collection_list, document_files
from webapp.library.services import collection_create, collection_delete, collection_rename
from webapp.upload.repositories import repository_add
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


@router.patch("/{collection_id}", response=CollectionOut)
def rename(request: ApiRequest, collection_id: UUID, body: CollectionPatch) -> Collection:
    collection = collection_detail(user=request.auth, collection_id=collection_id, right=Right.OWN)
    collection_rename(collection=collection, name=body.name)
    return collection


@router.delete("/{collection_id}", response={204: None})
def delete(request: ApiRequest, collection_id: UUID) -> Status[None]:
    """Deletes the collection with its documents, their files and their stored state."""
    collection_delete(collection=collection_detail(user=request.auth, collection_id=collection_id, right=Right.OWN))
    return Status(204, None)


@router.get("/{collection_id}/holdings", response=HoldingsOut)
def held(request: ApiRequest, collection_id: UUID) -> Holdings:
    """What deleting the collection would free."""
    collection = collection_detail(user=request.auth, collection_id=collection_id, right=Right.OWN)
    return collection_holdings(collection=collection)


@router.get("/{collection_id}/documents", response=list[DocumentOut])
@paginate(Pages)
def documents(request: ApiRequest, collection_id: UUID, find: str = "", sort: DocumentOrder = "name") -> QuerySet[Document]:
    """Every file, those of archives too; `find` is part of a name."""
    collection = collection_detail(user=request.auth, collection_id=collection_id)
    listing = Listing.of({"find": find, "sort": sort})
    return document_files(collection=collection, listing=listing).prefetch_related("jobs")


@router.post("/{collection_id}/documents", response={202: UploadOut})
def upload(request: ApiRequest, collection_id: UUID, files: File[list[UploadedFile]]) -> Status[dict[str, Any]]:
    """Takes many files, field name `files`. A refused file does not stop the others; each has its own outcome."""
    collection = collection_detail(user=request.auth, collection_id=collection_id, right=Right.CHANGE)
    return Status(202, {"files": files_accept(collection=collection, files=files)})


@router.post("/{collection_id}/repositories", response={202: DocumentOut})
def fetch_repository(request: ApiRequest, collection_id: UUID, body: RepositoryIn) -> Status[Document]:
    """Fetches a public Git repository of a host that the operator allows. One that is here already is fetched again, and only what has
    changed is read; `retry` of its document does the same."""
    collection = collection_detail(user=request.auth, collection_id=collection_id, right=Right.CHANGE)
    return Status(202, repository_add(collection=collection, address=body.address))


@router.post("/{collection_id}/uploads", response={201: PartialOut})
def begin(request: ApiRequest, collection_id: UUID, body: PartialIn) -> Status[PartialUpload]:
    """Begins a large file that comes in parts: PUT them to /uploads/ID, then finish it."""
    collection = collection_detail(user=request.auth, collection_id=collection_id, right=Right.CHANGE)
    return Status(201, upload_begin(owner=request.auth, collection=collection, name=body.name, size_bytes=body.size_bytes))


@router.get("/{collection_id}/questions", response=list[QuestionOut])
@paginate(Pages)
def questions(request: ApiRequest, collection_id: UUID) -> QuerySet[Question]:
    return collection_detail(user=request.auth, collection_id=collection_id).questions.select_related("answer")


@router.post("/{collection_id}/questions", response={202: AskedOut, 200: QuestionRecord}, throttle=[CallThrottle(), AskThrottle()])
def ask(request: ApiRequest, collection_id: UUID, body: QuestionIn, wait: Wait = 0) -> Status[Any]:
    """Queues the question; follow it at /questions/ID/stream, or ask for /questions/ID until its state is done, stopped or failed.

    With `wait` the answer is given here if it ends within so many seconds (200), and otherwise its ids as ever (202)."""
    collection = collection_detail(user=request.auth, collection_id=collection_id)
    before = followed(collection=collection, question_id=body.follows) if body.follows else None
    left_out = {*body.left_out, *(documents_but(collection=collection, only=body.only) if body.only else ())}
    question = question_ask(collection=collection, owner=request.auth, text=body.question, follows=before, left_out=left_out)
    if wait and wait_for_end(answer=question.answer, seconds=wait):
        return Status(200, question_record(question_detail(user=request.auth, question_id=question.id)))
    return Status(202, AskedOut.of(question))


@router.get("/{collection_id}/conversations", response=list[ConversationOut])
@paginate(Pages)
def conversations(request: ApiRequest, collection_id: UUID) -> QuerySet[Conversation]:
    collection = collection_detail(user=request.auth, collection_id=collection_id)
    return conversations_of(user=request.auth).filter(collection=collection)


@router.get("/{collection_id}/sweeps", response=list[SweepOut])
@paginate(Pages)
def sweeps(request: ApiRequest, collection_id: UUID) -> QuerySet[Sweep]:
    collection = collection_detail(user=request.auth, collection_id=collection_id)
    return sweeps_of(user=request.auth).filter(checklist__collection=collection)


@router.post("/{collection_id}/sweeps", response={202: SweepRecord}, throttle=[CallThrottle(), AskThrottle()])
def sweep(request: ApiRequest, collection_id: UUID, body: SweepIn) -> Status[Sweep]:
    """Puts the same questions to every document, each alone; ask for /sweeps/ID until its state is done, stopped or failed."""
    collection = collection_detail(user=request.auth, collection_id=collection_id, right=Right.CHANGE)
    ready = ready_list(body.ready) if body.ready else None
    questions = [*(ready.questions if ready else ()), *body.questions]
    return Status(202, sweep_create(collection=collection, owner=request.auth, questions=questions))
