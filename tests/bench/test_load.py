"""The parts of the bench of load: what counts as a whole stream, how waits become figures, the connection that people browse with.
(bench/following.py, browsing.py, session.py; the whole of it: tests/flow/test_load.py)"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from django.template.loader import render_to_string

from bench import load
from bench.browsing import spread, streams, waits
from bench.following import Event, Told, differences, events_of, faults, told
from bench.people import PAGES, Followed, Visit
from bench.session import ConnectionLost, Session
from webapp.ask.templatetags.cited import streamed_token

WORDS = 'Clause "7" <b>ends</b> & the rest'
CITATION = {
    "number": 1,
    "document_name": "a.txt",
    "document_path": "a.txt",
    "first_line": 3,
    "page": None,
    "verified": True,
    "quote": WORDS,
}
PLACE = Event((5, 0), "located", "")
END = Event((9, 1), "done", "")


def token(id: tuple[int, int], text: str) -> Event:
    return Event(id, "token", streamed_token(text))


def citation(id: tuple[int, int]) -> Event:
    return Event(id, "citation", render_to_string("ask/_citation.html", {"citation": CITATION}))


def test_it_reads_a_streams_lines() -> None:
    lines = [
        "id: 5-0",
        "event: located",
        "data: <p>",
        "data: ",
        "data: </p>",
        "",
        ": still here",
        "",
        "id: 9-1",
        "event: done",
        "data: ",
        "",
    ]
    assert list(events_of(lines)) == [Event((5, 0), "located", "<p>\n\n</p>"), END]


def test_it_finds_the_words_and_quotes_that_the_page_shows() -> None:
    events = [PLACE, token((6, 0), "Ninety <days>"), token((6, 1), " or\nmore "), token((7, 0), "[1]"), citation((8, 0)), END]
    assert faults(events) == []
    assert told(events) == Told("Ninety <days> or\nmore [1]", (WORDS,))


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([PLACE, token((6, 0), "cut")], "no end"),
        ([PLACE, END, token((9, 2), "late")], "something after the end"),
        ([PLACE, END, END], "something after the end"),
        ([PLACE, token((7, 0), "b"), token((6, 0), "a"), END], "out of their order"),
        ([PLACE, token((6, 0), "a"), token((6, 0), "a"), END], "out of their order"),
        ([token((4, 0), "a"), PLACE, END], "before the first located place"),
        ([PLACE, Event((6, 0), "tokens", ""), END], "'tokens'"),
        ([], "no end"),
    ],
)
def test_it_says_what_is_wrong_with_a_stream(events: list[Event], said: str) -> None:
    assert said in "; ".join(faults(events))


def test_what_came_before_a_restart_is_not_the_answer() -> None:
    events = [PLACE, token((6, 0), "half"), Event((6, 1), "restart", ""), Event((7, 0), "located", ""), token((8, 0), "whole"), END]
    assert (faults(events), told(events)) == ([], Told("whole", ()))
    begun_again = [PLACE, Event((6, 1), "restart", ""), token((8, 0), "whole"), END]
    assert "before the first located place" in faults(begun_again)[0]


def test_it_says_where_the_page_and_the_database_differ() -> None:
    assert differences(Told("Ninety days ", (WORDS,)), "done", Told("Ninety days", (WORDS,))) == []
    wrong = differences(Told("Ninety", ()), "failed", Told("Ninety days", (WORDS,)))
    assert len(wrong) == 3


def test_waits_are_percentiles_by_kind_and_of_pages_together() -> None:
    visits = [Visit("library", 0.0, number / 1000, 200) for number in range(1, 101)] + [Visit("page image", 0.0, 9.0, 200)]
    figures = waits(visits)
    assert [figures[f"pages.{name}_ms"] for name in ("p50", "p95", "p99")] == pytest.approx([50, 95, 99])
    assert (figures["pages.count"], figures["pages.library.count"]) == (100, 100)
    assert figures["pages.page image.p50_ms"] == pytest.approx(9000)
    assert dict(spread([], "_s")) == {}


def test_the_first_word_of_what_is_not_found_is_the_end() -> None:
    found = Followed("a", 10.0, [(10.5, PLACE), (11.0, token((6, 0), "a")), (12.0, END)], "")
    unfound = Followed("b", 10.0, [(10.5, PLACE), (14.0, END)], "")
    cut = Followed("c", 10.0, [], "ConnectionLost")
    figures = streams([found, unfound, cut])
    assert (figures["streams.first_token_p50_s"], figures["streams.first_token_p95_s"]) == pytest.approx((1.0, 4.0))
    assert (figures["streams.first_place_p95_s"], figures["streams.ended"]) == pytest.approx((0.5, 2))


def phase(p95: float) -> dict[str, float]:
    figures = waits([Visit(kind, 0.0, p95 / 1000, 200) for kind in (*PAGES, "page image", "static file")])
    rates = {"requests_per_s": 18.0, "engine.read_tokens_per_s": 2500.0, "cores.client": 0.01, "client.late_p95_ms": 3.0}
    return figures | streams([Followed("a", 0.0, [(8.0, END)], "")]) | {"streams.begun": 45.0, "streams.lost": 0.0} | rates


def test_it_sets_the_busy_phases_beside_the_idle_one() -> None:
    said = load.told({"idle": phase(50), "busy": phase(100), "hurried": phase(250), "first_look": phase(300)})
    rows = {row.name: row for row in said.rows}
    assert said.figures["busy_over_idle_p95"] == pytest.approx(2)
    assert said.figures["hurried.pages.p95_ms"] == pytest.approx(250)
    assert rows["pages, p95"].ratio == pytest.approx(0.5)
    assert rows["pages, p95, nobody has looked before"].value == pytest.approx(300)
    assert (rows["conversation, p95"].peer_value, rows["streams lost, first_look"].value) == (pytest.approx(50), 0)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def talked(answers: list[bytes], ask: Callable[[Session], Awaitable[Any]]) -> SimpleNamespace:
    """What `ask` gave, or raised, at a server that gives one answer a request and closes the connection after an empty one."""
    asked: list[str] = []
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError):  # who asked went away
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked.append(head.decode())
                answer = answers.pop(0)
                writer.write(answer)
                if not answer or b"cut" in answer:
                    break
        writer.close()

    async def all_of_it() -> SimpleNamespace:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        session = Session(server.sockets[0].getsockname()[1], {"sessionid": "s", "csrftoken": "t"})
        try:
            given: Any = await ask(session)
        except ConnectionLost as error:
            given = error
        await session.close()
        server.close()
        return SimpleNamespace(given=given, asked=asked, connections=len(connections))

    return asyncio.run(all_of_it())


PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na\nb\n\r\n3\r\nc\nd\r\n1\r\n\n\r\n0\r\n\r\n"


def test_a_connection_is_kept_and_opened_again_when_the_server_gave_it_up() -> None:
    async def thrice(session: Session) -> list[str]:
        return [(await session.get("/")).text for _ in range(3)]

    talk = talked([PLAIN, PLAIN, b"", PLAIN], thrice)
    assert (talk.given, talk.connections) == (["hello"] * 3, 2)
    assert "Cookie: sessionid=s; csrftoken=t\r\n" in talk.asked[0]


def test_a_form_goes_once() -> None:
    talk = talked([b"", PLAIN], lambda session: session.post("/ask", {"text": "a b"}))
    assert isinstance(talk.given, ConnectionLost)
    assert len(talk.asked) == 1
    assert "X-CSRFToken: t\r\n" in talk.asked[0]


def test_a_streams_lines_are_whole_and_its_cut_is_told() -> None:
    async def lines(session: Session) -> list[str]:
        return [line async for line in session.lines("/stream")]

    assert talked([CHUNKED], lines).given == ["a", "b", "c", "d"]
    assert isinstance(talked([CHUNKED[:-5] + b"3\r\ncut"], lines).given, ConnectionLost)
    assert "404" in str(talked([b"HTTP/1.1 404 Not Found\r\n\r\n"], lines).given)
