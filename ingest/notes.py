"""Sentences for a document's owner about what was found while reading it. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from ingest.legible import is_garbled
from ingest.model import ParsedPage, Reading

_LANGUAGES = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "da": "Danish",
    "sv": "Swedish",
    "ja": "Japanese",
    "zh": "Chinese",
    "ko": "Korean",
    "el": "Greek",
}


def _is_empty(page: ParsedPage) -> bool:
    return not page.text.strip() and page.width > 0


# Which pages, what is said of one, and of several. The first that applies counts.
_SENTENCES: Sequence[tuple[Callable[[ParsedPage], bool], str, str]] = (
    (lambda page: page.width == 0, "{pages} is damaged and could not be read.", "{pages} are damaged and could not be read."),
    (lambda page: page.reading is Reading.OCR, "{pages} was read by OCR.", "{pages} were read by OCR."),
    (
        lambda page: page.reading is Reading.UNCERTAIN,
        "{pages} was read by OCR; some words are uncertain.",
        "{pages} were read by OCR; some words are uncertain.",
    ),
    (
        lambda page: page.reading is Reading.POOR,
        "{pages} was read by OCR, but badly: compare a quote with the picture.",
        "{pages} were read by OCR, but badly: compare a quote with the picture.",
    ),
    (
        lambda page: page.reading is Reading.UNREAD and _is_empty(page),
        "{pages} was not read by OCR; it can be looked at but not quoted.",
        "{pages} were not read by OCR; they can be looked at but not quoted.",
    ),
    (
        lambda page: page.reading is Reading.UNREAD,
        "{pages} shows more than its text says, which was not read.",
        "{pages} show more than their text says, which was not read.",
    ),
    (
        lambda page: page.wants_ocr and _is_empty(page),
        "OCR found no text in {within}; it can be looked at but not quoted.",
        "OCR found no text in {within}; they can be looked at but not quoted.",
    ),
    (
        lambda page: page.wants_ocr and is_garbled(page.text),
        "{pages} has garbled text, and OCR found none that is better.",
        "{pages} have garbled text, and OCR found none that is better.",
    ),
    (lambda page: page.has_image and _is_empty(page), "{pages} is a picture without text.", "{pages} are pictures without text."),
    (_is_empty, "{pages} has no text.", "{pages} have no text."),
)


def page_notes(pages: Iterable[ParsedPage], noun: str = "Page") -> tuple[str, ...]:
    """What pages that were read by OCR, or not at all, mean for whoever asks. `noun`: what they are, for people."""
    found: dict[int, list[int]] = {}
    languages: set[str] = set()
    for page in pages:
        which = next((index for index, (applies, _, _) in enumerate(_SENTENCES) if applies(page)), None)
        if which is not None:
            found.setdefault(which, []).append(page.number)
        if page.language:
            languages.add(_LANGUAGES[page.language])
    said = [
        (one if len(found[index]) == 1 else many).format(
            pages=named_pages(found[index], noun), within=named_pages(found[index], noun.lower())
        )
        for index, (_, one, many) in enumerate(_SENTENCES)
        if index in found
    ]
    if languages:
        said.append(f"What OCR read is in {_and(sorted(languages))}.")
    return tuple(said)


def picture_notes(pictures: Iterable[ParsedPage], left_out: int) -> tuple[str, ...]:
    """What the pictures in a file of text mean for whoever asks, and those of which nothing is read or shown."""
    if left_out <= 0:
        return page_notes(pictures, "Picture")
    which = "A picture in this file is" if left_out == 1 else f"{left_out:,} pictures in this file are"
    why = "too small, damaged, drawings, or not in its text" if left_out > 1 else "it is too small, damaged, a drawing, or not in its text"
    return (*page_notes(pictures, "Picture"), f"{which} neither read nor shown: {why}. A PDF printed from it has what can be seen.")


def named_pages(numbers: Sequence[int], noun: str = "Page") -> str:
    """`Page 6`, `Pages 2 and 4`, `Pages 1-3, 5 and 9`."""
    return f"{noun if len(numbers) == 1 else f'{noun}s'} {_and(list(_runs(numbers)))}"


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _runs(numbers: Sequence[int]) -> Iterator[str]:
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        yield f"{members[0]}-{members[-1]}" if len(members) > 1 else f"{members[0]}"
