"""The context of the viewer's templates, for its own page and for the pane beside an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from webapp.library.models import Document
from webapp.library.viewer import View, view_document

LARGEST = 10**10


def source_context(document: Document, query: Mapping[str, str]) -> dict[str, Any]:
    """`query`: page or line, start and end (characters), from and until (a run of its own). What is no number is left out."""
    context: dict[str, Any] = {"document": document, "view": None, "members": []}
    if document.is_archive:
        return context | {"members": document.members.order_by("path")}
    if not document.is_askable or not document.folder.parsed.text.exists():
        return context
    view = view_document(
        document,
        wanted=_number(query, "page") or _number(query, "line"),
        start=_number(query, "start") or 0,
        end=_number(query, "end") or 0,
        run=_number(query, "from"),
        until=_number(query, "until"),
    )
    return context | {"view": view, "part": _part(query), **_ways(document, view)}


def _part(query: Mapping[str, str]) -> str:
    """Which neighbours a run still needs: one that was asked for by itself has the others on the page already."""
    return "earlier" if "until" in query else "later" if "from" in query else "all"


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    return min(int(text), LARGEST) if text.isascii() and text.isdigit() else None


def _ways(document: Document, view: View) -> dict[str, str]:
    """Addresses of the runs before and after, and of the places beside the wanted one."""
    here = reverse("library-document", args=[document.id])
    mark = {"start": view.start, "end": view.end} if view.end > view.start else {}

    def way(**query: int) -> str:
        return f"{here}?{urlencode({**query, **mark})}"

    ways = {"here": here}
    if view.earlier is not None:
        ways["earlier_url"] = way(**{"from": view.earlier, "until": view.first - 1})
    if view.later is not None:
        ways["later_url"] = way(**{"from": view.later})
    if view.unit == "page" and view.wanted > 1:
        ways["previous_url"] = way(page=view.wanted - 1)
    if view.unit == "page" and view.wanted < view.count:
        ways["next_url"] = way(page=view.wanted + 1)
    return ways
