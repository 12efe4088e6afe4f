"""Whether a streamed answer came whole: every event in its order, up to the end, and the same at the end as what is kept in the database.

Reads events as the page has them, in HTML. Knows no connection and no clock.
"""

from __future__ import annotations

import html
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

END = "done"
NAMES = ("located", "token", "citation", "restart", END)
_TAG = re.compile(r"<[^>]+>")
_QUOTE = re.compile(r"<blockquote[^>]*>(.*?)</blockquote>", re.DOTALL)
_MARK = re.compile(r'<a class="chip"[^>]*>(\d+)</a>')


@dataclass(frozen=True, slots=True)
class Event:
    """`id` as the broker counts: milliseconds and a number within them."""

    id: tuple[int, int]
    name: str
    data: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a stream told of one answer, or what the database keeps of it."""

    text: str
    quotes: tuple[str, ...]


@dataclass(slots=True)
class Reader:
    """Takes the lines of a stream; gives the event that a line ends."""

    _fields: dict[str, list[str]] = field(default_factory=dict)

    def take(self, line: str) -> Event | None:
        if line:
            name, _, value = line.partition(":")
            self._fields.setdefault(name, []).append(value.removeprefix(" "))
            return None
        fields, self._fields = self._fields, {}
        if "event" not in fields:
            return None  # a sign of life
        first, _, second = fields.get("id", ["0-0"])[-1].partition("-")
        return Event((int(first), int(second)), fields["event"][-1], "\n".join(fields.get("data", [])))


def events_of(lines: Iterable[str]) -> Iterator[Event]:
    reader = Reader()
    for line in lines:
        if event := reader.take(line):
            yield event


def faults(events: Sequence[Event]) -> list[str]:
    """What is wrong with the order of a stream's events; nothing where it is whole."""
    names = [event.name for event in events]
    said = [f"an event {name!r} that there is not" for name in names if name not in NAMES]
    if names.count(END) != 1 or names[-1] != END:
        said.append("no end" if END not in names else "something after the end")
    if any(later.id <= earlier.id for earlier, later in pairwise(events)):
        said.append("events out of their order")
    last = _last_attempt(events)
    first_place = next((place for place, event in enumerate(last) if event.name == "located"), len(last))
    if any(event.name in ("token", "citation") for event in last[:first_place]):
        said.append("words before the first located place")
    return said


def told(events: Sequence[Event]) -> Told:
    """The answer that the events make, since the last restart."""
    last = _last_attempt(events)
    text = "".join(_words(event.data) for event in last if event.name == "token")
    quotes = (_QUOTE.search(event.data) for event in last if event.name == "citation")
    return Told(text, tuple(_plain(quote[1]) if quote else "" for quote in quotes))


def _last_attempt(events: Sequence[Event]) -> Sequence[Event]:
    begun = max((place + 1 for place, event in enumerate(events) if event.name == "restart"), default=0)
    return events[begun:]


def _words(fragment: str) -> str:
    mark = _MARK.fullmatch(fragment)
    return f"[{mark[1]}]" if mark else _plain(fragment)


def _plain(fragment: str) -> str:
    return html.unescape(_TAG.sub("", fragment))


def kept(database: Path, answer: str) -> tuple[str, Told]:
    """The state of the answer of this id in the application's SQLite file, and what it says."""
    with _opened(database) as connection:
        row = connection.execute("SELECT state, text FROM ask_answer WHERE id = ?", [_key(answer)]).fetchone()
        quotes = connection.execute("SELECT quote FROM ask_citation WHERE answer_id = ? ORDER BY number", [_key(answer)])
        return (row[0], Told(row[1], tuple(quote for (quote,) in quotes))) if row else ("gone", Told("", ()))


def read_tokens(database: Path, answers: Iterable[str]) -> int:
    """How many tokens the engine read for all these answers."""
    with _opened(database) as connection:
        rows = [connection.execute("SELECT usage FROM ask_answer WHERE id = ?", [_key(answer)]).fetchone() for answer in answers]
    return sum(json.loads(row[0]).get("read_tokens", 0) for row in rows if row)


def _opened(database: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True))


def _key(answer: str) -> str:
    """As Django writes a UUID in SQLite."""
    return answer.replace("-", "")


def differences(streamed: Told, state: str, saved: Told) -> list[str]:
    """What a page showed otherwise than the database keeps it. Spaces at the ends of the text do not count: pages do not show them."""
    said = [] if state == END else [f"the answer is {state}"]
    if streamed.text.strip() != saved.text.strip():
        said.append(f"it said {streamed.text!r}, and {saved.text!r} is kept")
    if streamed.quotes != saved.quotes:
        said.append(f"{len(streamed.quotes)} quotes came, {len(saved.quotes)} are kept, and they are not the same")
    return said
