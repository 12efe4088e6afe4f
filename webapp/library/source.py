"""The context of the viewer's templates, for its own page and for the pane beside an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Paginator
from django.urls import reverse

from ingest.prompt.page_map import PageMap
from webapp.core.templatetags.words import spot
from webapp.library.models import Document
from webapp.library.outline import Heading, headings_of
from webapp.library.searching import MOST_CHARACTERS, MOST_HITS, Hit, find, nearest
from webapp.library.viewer import View, view_document

LARGEST = 10**10
# What a document can be opened from, by the name of its id in the query: where the way back leads.
WAYS_BACK = {"question": "ask-detail", "sweep": "checklist-detail"}
ZOOMS = (100, 150, 200, 300)
# Thumbnails on both sides of the page that is open; a picture is drawn only for those that are looked at.
THUMBNAILS_AROUND = 250


@dataclass(frozen=True, slots=True)
class Found:
    """What a search in the document found: `at` is the number of the hit that is open, from 0; -1 where there is none."""

    words: str
    hits: list[tuple[Hit, str, str]]
    at: int
    capped: bool
    previous_url: str
    next_url: str


MEMBERS_A_PAGE = 200


@dataclass(frozen=True, slots=True)
class Back:
    """The answer or the table that the document was opened from: `name` is one of WAYS_BACK."""

    name: str
    id: UUID

    @property
    def url(self) -> str:
        return reverse(WAYS_BACK[self.name], args=[self.id]) + ("#now" if self.name == "question" else "")


@dataclass(frozen=True, slots=True)
class Way:
    """One line of the contents: a heading, where it opens, and its page or line."""

    heading: Heading
    url: str
    number: int


def source_context(document: Document, query: Mapping[str, str]) -> dict[str, Any]:
    """`query`: page or line, start and end (characters), from and until (a run of its own), find (words), zoom (per cent), and question or
    sweep (the id of what it was opened from).

    What is no number, or no id, is left out.
    """
    context: dict[str, Any] = {"document": document, "view": None, "members": [], "back": _back(query)}
    if document.is_archive:
        listed = document.members.only("path", "token_count", "state", "error", "archive").order_by("path")
        return context | {"members": Paginator(listed, MEMBERS_A_PAGE).get_page(query.get("page", "1"))}
    if not document.is_askable or not document.folder.parsed.text.exists():
        return context
    if "from" in query:
        view = _view(document, query, _number(query, "start") or 0, _number(query, "end") or 0)
        return context | {"view": view, "part": _part(query), "zoom": _zoom(query), **_runs(_Address(document, query, view), view)}
    words = query.get("find", "")[:MOST_CHARACTERS].strip()
    hits = find(document.folder.parsed.text.read_bytes().decode("utf-8"), words) if words else []
    start, end = _opened(hits, query)
    view = _view(document, query, start, end)
    address = _Address(document, query, view)
    return context | {
        "view": view,
        "part": "all",
        "zoom": _zoom(query),
        "zooms": [(zoom, address.to(**_place(view), zoom=zoom)) for zoom in ZOOMS],
        "found": _found(document, address, words, hits, start) if words else None,
        "contents": _contents(document, address),
        "thumbnails": [(number, f"{address.unmarked(page=number)}#page-{number}") for number in _thumbnails(view)],
        **_runs(address, view),
        **_ways(address, view),
    }


def _back(query: Mapping[str, str]) -> Back | None:
    for name in WAYS_BACK:
        with suppress(ValueError):
            return Back(name, UUID(query.get(name, "")))
    return None


class _Address:
    """Addresses of places in a document that keep what the reader has set (mark, words looked for, zoom) and the way back."""

    def __init__(self, document: Document, query: Mapping[str, str], view: View) -> None:
        self.here = reverse("library-document", args=[document.id])
        self.kept: dict[str, str | int] = {name: query[name] for name in ("find", "zoom") if query.get(name)}
        if back := _back(query):
            self.kept[back.name] = str(back.id)
        self.mark = {"start": view.start, "end": view.end} if view.end > view.start else {}

    def to(self, **query: str | int) -> str:
        return f"{self.here}?{urlencode({**self.mark, **self.kept, **query})}"

    def unmarked(self, **query: str | int) -> str:
        return f"{self.here}?{urlencode({**self.kept, **query})}"


def _view(document: Document, query: Mapping[str, str], start: int, end: int) -> View:
    wanted = _number(query, "page") or _number(query, "line")
    return view_document(document, wanted=wanted, start=start, end=end, run=_number(query, "from"), until=_number(query, "until"))


def _opened(hits: Sequence[Hit], query: Mapping[str, str]) -> tuple[int, int]:
    """The characters to mark: those that the query names, else the first hit."""
    start, end = _number(query, "start") or 0, _number(query, "end") or 0
    if hits and end <= start and "page" not in query and "line" not in query:
        return hits[0].start, hits[0].end
    return start, end


def _found(document: Document, address: _Address, words: str, hits: list[Hit], start: int) -> Found:
    places = PageMap.open(document.folder.parsed) if hits else None
    listed = []
    for hit in hits:
        place = places.place(hit.start, hit.end) if places else None
        where = spot({"page": place.page, "first_line": place.first_line}) if place else ""
        listed.append((hit, address.unmarked(start=hit.start, end=hit.end), where))
    at = nearest(hits, start)
    urls = [url for _, url, _ in listed]
    previous = urls[at - 1] if at > 0 else ""
    following = urls[at + 1] if 0 <= at < len(urls) - 1 else ""
    return Found(words, listed, at, len(hits) == MOST_HITS, previous, following)


def _contents(document: Document, address: _Address) -> list[Way]:
    file = document.folder.parsed.text
    headings = headings_of(document.kind, file, file.stat().st_mtime_ns)
    if not headings:
        return []
    places = PageMap.open(document.folder.parsed)
    ways = []
    for heading in headings:
        place = places.place(heading.start, heading.start + 1)
        unit, number = ("page", place.page) if place.page else ("line", place.first_line or 1)
        ways.append(Way(heading, f"{address.unmarked(**{unit: number})}#{unit}-{number}", number))
    return ways


def _thumbnails(view: View) -> list[int]:
    """Page numbers around the wanted one; none for a document without pages, or of one."""
    if view.unit != "page" or view.count < 2:
        return []
    return list(range(max(1, view.wanted - THUMBNAILS_AROUND), min(view.count, view.wanted + THUMBNAILS_AROUND) + 1))


def _part(query: Mapping[str, str]) -> str:
    """Which neighbours a run still needs: one that was asked for by itself has the others on the page already."""
    return "earlier" if "until" in query else "later"


def _zoom(query: Mapping[str, str]) -> int:
    zoom = _number(query, "zoom")
    return zoom if zoom in ZOOMS else ZOOMS[0]


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    return min(int(text), LARGEST) if text.isascii() and text.isdigit() else None


def _place(view: View) -> dict[str, int]:
    """The wanted place, where no mark says it."""
    return {} if view.end > view.start else {view.unit: view.wanted}


def _runs(address: _Address, view: View) -> dict[str, str]:
    """Addresses of the runs before and after."""
    runs = {}
    if view.earlier is not None:
        runs["earlier_url"] = address.to(**{"from": view.earlier, "until": view.first - 1})
    if view.later is not None:
        runs["later_url"] = address.to(**{"from": view.later})
    return runs


def _ways(address: _Address, view: View) -> dict[str, str]:
    """Addresses of the places beside the wanted one."""
    ways = {"here": address.here}
    if view.unit == "page" and view.wanted > 1:
        ways["previous_url"] = address.to(page=view.wanted - 1)
    if view.unit == "page" and view.wanted < view.count:
        ways["next_url"] = address.to(page=view.wanted + 1)
    return ways
