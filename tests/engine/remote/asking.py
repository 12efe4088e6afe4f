"""Asking over a server, for the tests of that: what is asked, how little patience there is, and what came of it."""

from __future__ import annotations

from collections.abc import Callable

from engine.events import AnswerEvent, AnswerOptions, Done, Failed, Token
from engine.prompt import Prompt
from engine.remote.address import ServerAddress
from engine.remote.connection import Patience
from engine.remote.engine import RemoteEngine
from engine.tokenizer import Tokenizer
from tests.remote_server import Handler, Scripted, scripted

KEY = "s3cret-key"
RENT = "The annual rent is 12,400 euros, payable in advance."
BODIES = [
    "Crème brûlée is served on Sundays.\n\n",
    f"{RENT}\nThe landlord may raise it by 2%.\n\n",
    "Zoë Müller founded the café in 1987.\n\n",
]
QUESTION = "How much is the annual rent?"
SHORT = AnswerOptions(max_tokens=16)
QUICK = Patience(connect_s=1.0, silence_s=0.4, whole_s=3.0, pauses_s=(0.01, 0.01), longest_pause_s=0.5)


def ask(engine: RemoteEngine, prompt: Prompt, question: str = QUESTION, options: AnswerOptions = SHORT) -> list[AnswerEvent]:
    return list(engine.answer(prompt, question, options=options))


def done_of(events: list[AnswerEvent]) -> Done:
    assert isinstance(events[-1], Done), events[-1]
    return events[-1]


def failure(events: list[AnswerEvent], host: str) -> str:
    """What people read; every failure names the server and never the key."""
    assert isinstance(events[-1], Failed), events[-1]
    assert host in events[-1].message
    assert KEY not in events[-1].message
    return events[-1].message


def said(events: list[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def scripted_engine(server: Scripted, tokenizer: Tokenizer, **address: object) -> RemoteEngine:
    return RemoteEngine(ServerAddress(server.url, KEY, **address), tokenizer, QUICK)  # type: ignore[arg-type]


def answer_of(tokenizer: Tokenizer, prompt: Prompt, *replies: Callable[[Handler], None]) -> tuple[list[AnswerEvent], Scripted]:
    with scripted(*replies) as server:
        return ask(scripted_engine(server, tokenizer), prompt), server
