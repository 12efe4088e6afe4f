"""A sweep over a server: a request each, few at once, and what one of them breaks. With a server that says what the test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.events import AnswerEvent, Done, Failed
from engine.prompt import Prompt
from engine.remote.address import ServerAddress
from engine.remote.connection import Patience
from engine.remote.engine import SWEEPS_AT_ONCE, RemoteEngine
from engine.remote.side_by_side import side_by_side
from engine.tokenizer import Tokenizer
from tests.engine.prompts import make_prompt
from tests.remote_server import Scripted, says, scripted, silent, status

pytestmark = pytest.mark.weights

DOCUMENTS = {f"lease {number}": [f"The annual rent is {number},400 euros.\n\n"] for number in range(5)}
QUESTIONS = ["How much is the annual rent?", "xylophone quartz"]
QUICK = Patience(connect_s=1.0, silence_s=2.0, whole_s=5.0, pauses_s=(0.01,), longest_pause_s=0.1)


@pytest.fixture(scope="module")
def prompt(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    return make_prompt(tmp_path_factory.mktemp("prompt"), tokenizer, DOCUMENTS)


def remote(server: Scripted, tokenizer: Tokenizer) -> RemoteEngine:
    return RemoteEngine(ServerAddress(server.url), tokenizer, QUICK)


def test_it_sends_each_document_with_each_question_alone(tokenizer: Tokenizer, prompt: Prompt) -> None:
    with scripted(says("It is so. <quote 1>The annual rent is 3,400 euros.</quote>")) as server:
        events = list(remote(server, tokenizer).sweep([prompt], QUESTIONS))
        ends = {(document, number): event for document, number, event in events if isinstance(event, Done | Failed)}
        assert set(ends) == {(name, number) for name in DOCUMENTS for number in range(2)}
        assert all(isinstance(event, Done) for event in ends.values())
        sent = [chat["messages"][-1]["content"] for chat in server.chats()]
    assert len(sent) == 10
    for text in sent:
        assert sum(f"[lease {number}]" in text or f"{number},400" in text for number in range(5)) == 1
    assert sum(QUESTIONS[0] in text for text in sent) == 5


def test_one_broken_document_ends_its_own_answers_and_no_other(tokenizer: Tokenizer, prompt: Prompt, tmp_path: Path) -> None:
    first, *others = prompt.documents
    broken = replace(prompt, documents=(replace(first, text_path=tmp_path / "gone.txt"), *others))
    with scripted(says("Yes.")) as server:
        events = list(remote(server, tokenizer).sweep([broken], QUESTIONS[:1]))
    failures = [(document, event.message) for document, _, event in events if isinstance(event, Failed)]
    assert [document for document, _ in failures] == [first.id]
    assert "cannot be read" in failures[0][1]
    assert sum(isinstance(event, Done) for _, _, event in events) == 4


def test_each_answer_says_what_the_server_refused(tokenizer: Tokenizer, prompt: Prompt) -> None:
    with scripted(status(400)) as server:
        events = list(remote(server, tokenizer).sweep([prompt], QUESTIONS[:1]))
    assert len([event for _, _, event in events if isinstance(event, Failed) and "no such luck" in event.message]) == 5


def test_closing_it_hangs_up(tokenizer: Tokenizer, prompt: Prompt) -> None:
    with scripted(silent(0)) as server:
        events = remote(server, tokenizer).sweep([prompt], QUESTIONS)
        while not isinstance(next(events)[2], Done | Failed) and len(server.chats()) < 1:
            pass
        events.close()  # type: ignore[attr-defined]
        assert server.gone.wait(10)
        assert len(server.chats()) <= SWEEPS_AT_ONCE


def test_it_reads_so_many_at_once() -> None:
    running, most, lock = [0], [0], threading.Lock()
    full = threading.Barrier(3, timeout=10)

    def answering(number: int) -> Iterator[AnswerEvent]:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        full.wait()
        yield Failed(str(number))
        with lock:
            running[0] -= 1

    told = list(side_by_side(((number, lambda number=number: answering(number)) for number in range(9)), 3))  # type: ignore[misc]
    assert sorted((key, event.message) for key, event in told if isinstance(event, Failed)) == [
        (number, str(number)) for number in range(9)
    ]
    assert most == [3]


def test_what_breaks_one_answer_is_said_in_its_place() -> None:
    def breaking() -> Iterator[AnswerEvent]:
        yield Failed("first")
        raise EngineError("There is no room.")

    told = list(side_by_side(iter([("a", breaking), ("b", lambda: (Failed("well") for _ in range(1)))]), 1))
    assert told == [("a", Failed("first")), ("a", Failed("There is no room.")), ("b", Failed("well"))]
