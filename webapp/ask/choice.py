"""Which documents a question is put to: the list with ticks in the form, and what comes back of it.

A form says which documents it listed and which of them are ticked: what it did not list is asked, such as a document that came meanwhile.
Knows no HTML.
"""

from __future__ import annotations

from collections.abc import Collection as Several
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import Http404, QueryDict

from webapp.library.models import ASKABLE, Collection, Document

# Two fields a document, and Django takes 1,000 of a form. Whoever has more leaves out one of the first by its path, or uses the API.
MOST_LISTED = 400


@dataclass(frozen=True, slots=True)
class Listed:
    """One upload to tick. `files`: how many documents of the prompt it is, an archive as many as it holds."""

    document: Document
    files: int
    ticked: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be ticked, and how many documents more (`further`) are asked in any case."""

    rows: list[Listed]
    further: int

    @property
    def ticked(self) -> int:
        return sum(row.files for row in self.rows if row.ticked) + self.further

    @property
    def total(self) -> int:
        return sum(row.files for row in self.rows) + self.further


def choice(*, collection: Collection, left_out: Several[dict[str, Any]] = ()) -> Choice:
    """`left_out` as in Question: an archive is unticked when all its files are among them."""
    out = {row["document"] for row in left_out}
    askable = collection.documents.filter(state__in=ASKABLE, is_archive=False)
    uploads = collection.documents.filter(archive=None).filter(Q(id__in=askable) | Q(id__in=askable.values("archive")))
    members: dict[UUID | None, list[UUID]] = {}
    for archive, member in askable.exclude(archive=None).values_list("archive_id", "id"):
        members.setdefault(archive, []).append(member)
    listed = [
        Listed(document, len(files := members.get(document.id, [document.id])), not all(str(file) in out for file in files))
        for document in uploads.order_by("path", "created_at")[:MOST_LISTED]
    ]
    return Choice(listed, askable.count() - sum(row.files for row in listed))


def unticked(form: QueryDict) -> set[UUID]:
    """The documents that the form listed (`listed`) and that are not ticked (`document`). Raises Http404 for what is no id."""
    left = set(form.getlist("listed")) - set(form.getlist("document"))
    return {uuid_or_404(text) for text in left}


def uuid_or_404(text: str) -> UUID:
    """Raises Http404 for what is no id."""
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404 from error
