"""Cited documents as BibTeX: an entry a document, with the pages or lines that are cited and the quotes in `annote`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.utils.text import slugify

from webapp.export.blocks import Cited
from webapp.export.inert import for_latex


def bibtex(cited: Iterable[Cited]) -> str:
    """In the order in which documents are first cited; '' of no citation."""
    documents: dict[tuple[str, str], list[Cited]] = {}
    for place in cited:
        documents.setdefault((place.path, place.sha256), []).append(place)
    return "\n".join(_entry(places) for places in documents.values())


def _entry(places: list[Cited]) -> str:
    first = places[0]
    spots = list(dict.fromkeys(place.place for place in places if place.place))
    pages = [spot.removeprefix("page ") for spot in spots if spot.startswith("page ")]
    lines = [spot for spot in spots if not spot.startswith("page ")]
    fields = {
        "title": for_latex(first.document),
        "howpublished": for_latex(first.path) if first.path != first.document else "",
        "pages": ", ".join(pages),
        "note": "; ".join([*lines, *([f"SHA-256 {first.sha256}"] if first.sha256 else [])]),
        "annote": " ".join(f"{_said(place)}``{for_latex(place.quote)}''" for place in places),
    }
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    return f"@misc{{{_key(first)},\n{body}\n}}\n"


def _said(place: Cited) -> str:
    return f"{place.place}: " if place.place else ""


def _key(place: Cited) -> str:
    """Readable, and different for each document."""
    name = slugify(place.document.rpartition(".")[0] or place.document)[:40].strip("-") or "document"
    return f"{name}-{hashlib.sha256((place.path + place.sha256).encode('utf-8', 'replace')).hexdigest()[:6]}"
