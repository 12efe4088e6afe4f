"""Sentences for a document's owner about what was found while reading it. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from ingest.model import ParsedPage


def page_notes(pages: Sequence[ParsedPage]) -> tuple[str, ...]:
    """What pages without text mean for whoever asks."""
    scans = [page.number for page in pages if page.has_image and not page.text.strip()]
    blank = [page.number for page in pages if not page.has_image and not page.text.strip() and page.width > 0]
    damaged = [page.number for page in pages if page.width == 0]
    notes = []
    if scans:
        one, many = "is a scan without text; it", "are scans without text; they"
        notes.append(f"{_pages(scans)} {one if len(scans) == 1 else many} can be looked at but not quoted.")
    if blank:
        notes.append(f"{_pages(blank)} {'has' if len(blank) == 1 else 'have'} no text.")
    if damaged:
        notes.append(f"{_pages(damaged)} {'is' if len(damaged) == 1 else 'are'} damaged and could not be read.")
    return tuple(notes)


def _pages(numbers: Sequence[int]) -> str:
    """`Page 6`, `Pages 2 and 4`, `Pages 1-3, 5 and 9`."""
    runs = list(_runs(numbers))
    listed = runs[0] if len(runs) == 1 else f"{', '.join(runs[:-1])} and {runs[-1]}"
    return f"{'Page' if len(numbers) == 1 else 'Pages'} {listed}"


def _runs(numbers: Sequence[int]) -> Iterator[str]:
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        yield f"{members[0]}-{members[-1]}" if len(members) > 1 else f"{members[0]}"
