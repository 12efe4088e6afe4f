"""Writes of collections and documents. Files go when the rows are gone for good, so that a failed delete loses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import PurePosixPath
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext

from engine.lexical import LexicalIndex
from ingest.document import index_document
from webapp.accounts.models import User
from webapp.core.model_files import lexical_path
from webapp.core.words import printable
from webapp.library.forgetting import discard, forget_later
from webapp.library.models import WAITING, Collection, Document

MOST_NAME_CHARACTERS = 120
MOST_FILE_NAME_CHARACTERS = 255


class NameRefused(Exception):
    """A name that cannot be used; the message says why."""


class MoveRefused(Exception):
    """A document that cannot go there; the message says why."""


def collection_create(*, owner: User, name: str) -> Collection:
    """Raises NameRefused."""
    return Collection.objects.create(owner=owner, name=_name(name))


def collection_rename(*, collection: Collection, name: str) -> None:
    """Raises NameRefused."""
    collection.name = _name(name)
    collection.save(update_fields=["name", "updated_at"])


def _name(name: str, most: int = MOST_NAME_CHARACTERS) -> str:
    name = " ".join(printable(name).split())
    if not name:
        raise NameRefused(gettext("Type a name first."))
    if len(name) > most:
        raise NameRefused(gettext("This name has {n} characters; the limit is {most}.").format(n=len(name), most=most))
    return name


def document_rename(*, document: Document, name: str) -> None:
    """The name's ending stays, since it says how the file is read; an archive's files follow. What the model reads is unchanged.

    Raises NameRefused, and for a file of an archive too: its name is its place inside.
    """
    if document.archive_id:
        raise NameRefused(gettext("This file is part of an archive, and its name says where in it. Rename the archive instead."))
    name = _ending(_name(name, MOST_FILE_NAME_CHARACTERS), document.name)
    with transaction.atomic():
        members = list(document.members.only("path"))
        for member in members:
            member.path = (name + member.path.removeprefix(document.name))[:1000]
        Document.objects.bulk_update(members, ["path"], batch_size=500)
        Document.objects.filter(id=document.id).update(name=name, path=name)


def _ending(name: str, old: str) -> str:
    ending = PurePosixPath(old).suffix
    return name if name.lower().endswith(ending.lower()) else name[: MOST_FILE_NAME_CHARACTERS - len(ending)] + ending


def document_move(*, document: Document, target: Collection) -> None:
    """To another collection of the same owner, an archive with its files. Nothing is read again: stored state is the document's own.

    Raises MoveRefused.
    """
    rows = _movable(document, target)
    words = lexical_path(target.id)
    for row in rows:
        if row.is_askable:
            index_document(words, str(row.id), row.folder)
    moved = [row.id for row in rows]
    with transaction.atomic():
        Document.objects.filter(id__in=moved).update(collection=target)
        transaction.on_commit(partial(_forget_words, document.collection_id, [str(id) for id in moved]))


def _movable(document: Document, target: Collection) -> list[Document]:
    if document.archive_id:
        raise MoveRefused(gettext("This file is part of an archive. Move the archive instead."))
    if target.id == document.collection_id:
        raise MoveRefused(gettext("It is in this collection already."))
    if target.owner_id != document.collection.owner_id:
        raise MoveRefused(gettext("A document can be moved to collections of its owner only."))
    rows = [document, *document.members.all()]
    if any(row.state in WAITING for row in rows):
        raise MoveRefused(gettext("It is being parsed. Move it when that is done."))
    return rows


@transaction.atomic
def collection_delete(*, collection: Collection) -> None:
    """With its documents, their files and stored state, its questions and its answers."""
    _discard_on_commit(list(collection.documents.all()), collection.owner.salt)
    transaction.on_commit(partial(lexical_path(collection.id).unlink, missing_ok=True))
    collection.delete()


def document_delete(*, document: Document) -> None:
    """With its files and stored state; an archive with all of its own. Quotes from it stay readable in their answers."""
    documents_delete(documents=[document])


@transaction.atomic
def documents_delete(*, documents: Sequence[Document], keep_state: bool = False) -> None:
    """Several of one collection at once, each as document_delete does it. `keep_state`: the engine keeps what it stored for them, and
    whoever calls sees to it that it forgets (webapp.library.forgetting.forget_later)."""
    if not documents:
        return
    rows = [*documents, *Document.objects.filter(archive__in=documents)]
    collection = documents[0].collection
    _discard_on_commit(rows, collection.owner.salt, keep_state=keep_state)
    transaction.on_commit(partial(_forget_words, collection.id, [str(row.id) for row in rows]))
    Document.objects.filter(id__in=[row.id for row in documents]).delete()


def _forget_words(collection_id: UUID, document_ids: list[str]) -> None:
    if (path := lexical_path(collection_id)).exists():
        index = LexicalIndex(path)
        for document_id in document_ids:
            index.remove(document_id)


def _discard_on_commit(documents: Sequence[Document], salt: str, *, keep_state: bool = False) -> None:
    """With the state of what they replaced, if that is still waiting for them to be read."""
    folders = [document.folder for document in documents]
    replaced = [str(document.replaces) for document in documents if document.replaces]

    def delete() -> None:
        living = {str(id) for id in Document.objects.filter(id__in=replaced).values_list("id", flat=True)}
        forget_later([id for id in replaced if id not in living], salt)
        if not keep_state:
            discard(folders, salt)
            return
        for folder in folders:
            folder.delete()

    transaction.on_commit(delete)
