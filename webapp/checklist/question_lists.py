"""Where a checklist's questions come from besides typing: the ready lists that ship with Longread, and files that people upload.

Both are CSV: a column named `question` among others, or no other column; one question a row. Knows no row of the database.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from charset_normalizer import from_bytes
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

FOLDER = Path(__file__).parent / "ready"
COLUMN = "question"
MOST_BYTES = 1_000_000
NAMES = {"contracts": gettext_lazy("Contracts"), "repositories": gettext_lazy("Code repositories")}


class ListUnreadable(Exception):
    """A file that holds no list of questions; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ReadyList:
    """`key` names it in an address."""

    key: str
    name: Promise | str
    questions: tuple[str, ...]


@cache
def ready_lists() -> tuple[ReadyList, ...]:
    return tuple(ReadyList(key, name, tuple(questions_in((FOLDER / f"{key}.csv").read_bytes()))) for key, name in NAMES.items())


def ready_list(key: str) -> ReadyList | None:
    return next((ready for ready in ready_lists() if ready.key == key), None)


def questions_in(content: bytes) -> list[str]:
    """The questions of a CSV file, or of a text file with one a line. Raises ListUnreadable."""
    if len(content) > MOST_BYTES:
        said = gettext("This file has {n:,} bytes; a list of questions has at most {most:,}. Choose another.")
        raise ListUnreadable(said.format(n=len(content), most=MOST_BYTES))
    try:
        rows = list(_rows(_text(content)))
    except csv.Error as error:
        said = gettext("This is no CSV file ({error}). Save it as CSV, or paste the questions.")
        raise ListUnreadable(said.format(error=error)) from error
    if not rows:
        said = gettext("This file has no questions in it. Put one in each row, in a column named “question” where there are others.")
        raise ListUnreadable(said)
    return rows


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        best = from_bytes(content).best()
        text = str(best) if best else ""
    if not text.strip() or "\x00" in text:
        raise ListUnreadable(gettext("This file is no text. Save it as CSV, or paste the questions."))
    return text


def _rows(text: str) -> Iterator[str]:
    """Not sniffed: questions are full of commas. Only a head that says so makes columns, of semicolons too, as spreadsheets of some
    languages have them; otherwise a line is a question, in quotation marks or not."""
    head = text.partition("\n")[0].strip().lower()
    divider = next((sign for sign in ";\t," if sign in head), ",") if COLUMN in head else ","
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=divider, strict=True) if row]
    names = [name.strip().lower() for name in rows[0]] if rows else []
    if COLUMN not in names:
        yield from _joined(rows)
    elif len(names) == 1:
        yield from _joined(rows[1:])
    else:
        column = names.index(COLUMN)
        yield from (row[column].strip() for row in rows[1:] if len(row) > column and row[column].strip())


def _joined(rows: list[list[str]]) -> Iterator[str]:
    """Of one column: commas that nobody put in quotation marks divide nothing."""
    yield from (text for row in rows if (text := ",".join(row).strip()))
