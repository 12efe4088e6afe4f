"""What people at their browsers do: some look around with pauses to read, some wait for answers as they come, an operator leaves the
dashboard open. Each notes what was asked for and how long it took, from the request's first byte to the answer's last.

A page is what is read: a whole page, or the part of one that a script fetches. Pictures and static files belong to a page and are counted
by themselves. What a browser keeps (pictures, static files) is fetched once a person.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random

from bench.following import Event, Reader
from bench.session import ConnectionLost, Session

# Pauses as TPC-W has them, the old benchmark of shops on the web: exponential, 7 s in the mean, ten times that at most.
LONGEST_PAUSES = 10
# How often the pages ask for themselves: the dashboard (operate/_dashboard.html).
DASHBOARD_SECONDS = 3.0
# What is near enough to the window that browsers fetch it: the page that is open, and the two below it.
PICTURES_A_VIEW = 3
# Of a hundred pages that somebody looks at; the rest are documents.
SHARES = {"library": 12, "collection": 23, "conversation": 22, "checklists": 4, "checklist": 8, "jobs": 5, "document": 26}
PAGES = frozenset({*SHARES, "further pages", "ask", "question", "answer", "dashboard", "dashboard, moving"})
# An answer that has not ended after so long is lost.
STREAM_SECONDS = 120.0
LOST = (ConnectionLost, OSError, TimeoutError, asyncio.IncompleteReadError)

_PICTURE = re.compile(r'src="(/documents/[0-9a-f-]+/pages/\d+/image\?width=900)"')
_STATIC = re.compile(r'(?:src|href)="(/static/[^"]+)"')
_FURTHER = re.compile(r'class="more"><a href="([^"]+)"[^>]*intersect')
_STREAM = re.compile(r"/answers/([0-9a-f-]+)/stream")


def picture(document: str, page: int) -> str:
    """The address of a page's image as the viewer first asks for it."""
    return f"/documents/{document}/pages/{page}/image?width=900"


@dataclass(frozen=True, slots=True)
class Office:
    """What there is to look at: ids of collections, of documents with their pages (0: it has lines), of questions and of sweeps."""

    collections: Sequence[str]
    documents: Sequence[tuple[str, int]]
    questions: Sequence[str]
    sweeps: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Visit:
    """`at` and `seconds`: when it was asked for, and how long it took. `status` 0: the connection was lost."""

    kind: str
    at: float
    seconds: float
    status: int


@dataclass(frozen=True, slots=True)
class Followed:
    """One answer's stream; `asked_at` is when its question was sent. `lost`: why it did not come to its end, '' where it did."""

    answer: str
    asked_at: float
    events: Sequence[tuple[float, Event]]
    lost: str

    def seconds_to(self, *names: str) -> float | None:
        """From the question to the first event of one of these names; None where none came."""
        return next((at - self.asked_at for at, event in self.events if event.name in names), None)


@dataclass(slots=True)
class Log:
    """What everybody noted."""

    visits: list[Visit] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)
    late: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Person:
    session: Session
    office: Office
    log: Log
    random: Random
    pause_seconds: float
    seen: set[str] = field(default_factory=set)

    async def browse(self) -> None:
        """Looks at one page after another, until it is cancelled."""
        await asyncio.sleep(self.random.random() * self.pause_seconds)
        while True:
            kind = self.random.choices(list(SHARES), list(SHARES.values()))[0]
            page = await self.look(kind, self._address(kind))
            if kind == "document" and self.random.random() < 0.5 and (further := _FURTHER.search(page)):
                await self._pause(0.3)
                await self.look("further pages", further[1].replace("&amp;", "&"), {"HX-Request": "true"})
            await self._pause()

    async def watch(self) -> None:
        """An operator with the dashboard open."""
        await asyncio.sleep(self.random.random() * DASHBOARD_SECONDS)
        await self.look("dashboard", "/dashboard/")
        while True:
            await asyncio.sleep(DASHBOARD_SECONDS)
            await self.look("dashboard, moving", "/dashboard/", {"HX-Request": "true", "HX-Target": "dashboard"})

    async def ask(self, questions: Callable[[], str], until: float) -> None:
        """Asks, follows the answer to its end, and asks the next, up to a moment (time.monotonic)."""
        while time.monotonic() < until:
            asked_at = time.monotonic()
            address = await self._timed("ask", lambda: self._asked(questions()))
            page = await self.look("question", address) if address else ""
            if stream := _STREAM.search(page):
                await self._follow(stream[1], stream[0], asked_at)
                await self.look("answer", address, {"HX-Request": "true", "HX-Target": "reading"})
            else:
                await asyncio.sleep(1.0)

    async def _asked(self, text: str) -> tuple[int, str]:
        said = await self.session.post(f"/collections/{self.office.collections[0]}/ask", {"text": text})
        return said.status, said.headers.get("location", "")

    async def _follow(self, answer: str, path: str, asked_at: float) -> None:
        events: list[tuple[float, Event]] = []
        connection, reader, lost = Session(self.session.port, self.session.cookies), Reader(), ""
        try:
            async with asyncio.timeout(STREAM_SECONDS):
                async for line in connection.lines(path):
                    if event := reader.take(line):
                        events.append((time.monotonic(), event))
        except LOST as error:
            lost = f"{type(error).__name__}: {error}"
        finally:
            await connection.close()
        self.log.followed.append(Followed(answer, asked_at, events, lost))

    async def look(self, kind: str, path: str, headers: Mapping[str, str] | None = None) -> str:
        """The page's text, with what belongs to it fetched as well; '' where it was lost."""

        async def got() -> tuple[int, str]:
            said = await self.session.get(path, headers)
            return said.status, said.text

        page = await self._timed(kind, got)
        belongs = [("static file", found) for found in _STATIC.findall(page)]
        for part, found in [*belongs, *[("page image", found) for found in _PICTURE.findall(page)[:PICTURES_A_VIEW]]]:
            if found not in self.seen:
                self.seen.add(found)
                await self._timed(part, lambda path=found: self._fetched(path))  # type: ignore[misc]
        return page

    async def _fetched(self, path: str) -> tuple[int, str]:
        return (await self.session.get(path)).status, ""

    async def _timed(self, kind: str, work: Callable[[], Awaitable[tuple[int, str]]]) -> str:
        at, status, page = time.monotonic(), 0, ""
        with suppress(*LOST):
            status, page = await work()
        self.log.visits.append(Visit(kind, at, time.monotonic() - at, status))
        return page

    async def _pause(self, share: float = 1.0) -> None:
        seconds = self.random.expovariate(1 / self.pause_seconds)
        await asyncio.sleep(share * min(seconds, LONGEST_PAUSES * self.pause_seconds))

    def _address(self, kind: str) -> str:
        office, choose = self.office, self.random.choice
        match kind:
            case "library":
                return "/"
            case "collection":
                return f"/collections/{choose(office.collections)}/"
            case "conversation":
                return f"/questions/{choose(office.questions)}/"
            case "checklists":
                return f"/collections/{choose(office.sweeps)[0]}/sweeps/"
            case "checklist":
                return f"/sweeps/{choose(office.sweeps)[1]}/"
            case "jobs":
                return "/jobs/"
        document, pages = choose(office.documents)
        return f"/documents/{document}/" + (f"?page={self.random.randint(1, pages)}" if pages else "")


_WHO = ("the miller", "a clerk", "the abbot", "the ferryman", "the notary", "the midwife", "an apprentice", "every guard")
_WHAT = ("measured", "sold", "mended", "counted", "lost", "borrowed", "weighed", "hid")
_WHERE = ("in the harbour", "near the chapel", "at the market", "behind the granary", "under the bridge", "on the upper road")


def new_questions(random: Random) -> Callable[[], str]:
    """Questions about what the documents tell (bench.texts.generated), no two of them alike."""
    numbers = count(1)

    def ask() -> str:
        who, what, where = (random.choice(words) for words in (_WHO, _WHAT, _WHERE))
        return f"What had {who} {what} {where} before entry {random.randrange(10_000)}, and what was paid for it? ({next(numbers)})"

    return ask
