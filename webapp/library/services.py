"""Writes of collections and documents. Files go when the rows are gone for good, so that a failed delete loses nothing."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction

from engine.lexical import LexicalIndex
from webapp.accounts.models import User
from webapp.core.model_files import lexical_path
from webapp.core.words import printable
from webapp.library.forgetting import discard
from webapp.library.models import Collection, Document

MOST_NAME_CHARACTERS = 120


class NameRefused(Exception):
    """A name that cannot be used; the message says why."""


def collection_create(*, owner: User, name: str) -> Collection:
    """Raises NameRefused."""
    return Collection.objects.create(owner=owner, name=_name(name))


def collection_rename(*, collection: Collection, name: str) -> None:
    """Raises NameRefused."""
    collection.name = _name(name)
    collection.save(update_fields=["name", "updated_at"])


def _name(name: str) -> str:
    name = " ".join(printable(name).split())
    if not name:
        raise NameRefused("A collection needs a name.")
    if len(name) > MOST_NAME_CHARACTERS:
        raise NameRefused(f"This name has {len(name)} characters; the limit is {MOST_NAME_CHARACTERS}.")
    return name


@transaction.atomic
def collection_delete(*, collection: Collection) -> None:
    """With its documents, their files and stored state, its questions and its answers."""
    _discard_on_commit(list(collection.documents.all()), collection.owner.salt)
    transaction.on_commit(partial(lexical_path(collection.id).unlink, missing_ok=True))
    collection.delete()


@transaction.atomic
def document_delete(*, document: Document) -> None:
    """With its files and stored state; an archive with all of its own. Quotes from it stay readable in their answers."""
    rows = [document, *document.members.all()]
    _discard_on_commit(rows, document.collection.owner.salt)
    transaction.on_commit(partial(_forget_words, document.collection_id, [str(row.id) for row in rows]))
    document.delete()


def _forget_words(collection_id: UUID, document_ids: list[str]) -> None:
    if (path := lexical_path(collection_id)).exists():
        index = LexicalIndex(path)
        for document_id in document_ids:
            index.remove(document_id)


def _discard_on_commit(documents: list[Document], salt: str) -> None:
    folders = [document.folder for document in documents]

    def delete() -> None:
        for folder in folders:
            discard(folder, salt)

    transaction.on_commit(delete)
