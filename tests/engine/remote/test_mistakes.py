"""The engine's face over a server that does whatever can go wrong."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from engine.asked import PASSAGES
from engine.errors import EngineError
from engine.events import AnswerOptions, Located, Quote, Token
from engine.passages import NOT_FOUND, SYSTEM
from engine.prompt import Prompt
from engine.remote.address import ServerAddress
from engine.remote.connection import Patience
from engine.remote.engine import RemoteEngine
from engine.remote.server import DEFAULT_CONTEXT, OLLAMA_CONTEXT
from engine.tokenizer import Tokenizer
from tests.engine.remote.asking import KEY, QUESTION, QUICK, RENT, answer_of, ask, done_of, failure, said, scripted_engine
from tests.remote_server import MODEL, Handler, says, scripted, silent, status

pytestmark = pytest.mark.weights


def test_it_gives_quotes_that_stand_in_the_source(tokenizer: Tokenizer, prompt: Prompt) -> None:
    events, server = answer_of(tokenizer, prompt, says("It is 12,400", " euros <quo", f"te 2>{RENT}</quote>."))
    done = done_of(events)
    assert (done.answer, done.found, done.confidence, done.model) == ("It is 12,400 euros [1].", True, 0.8, MODEL)
    (quote,) = [event for event in events if isinstance(event, Quote)]
    assert (quote.text, quote.verified) == (RENT, True)
    assert prompt.documents[0].text()[quote.start_char : quote.end_char] == RENT
    (body,) = server.chats()
    assert body["messages"][0] == {"role": "system", "content": SYSTEM}
    assert body["messages"][1]["content"].endswith(f"</passage>\n\nQuestion: {QUESTION}")
    assert (body["model"], body["stream"], body["temperature"], body["max_tokens"]) == (MODEL, True, 0.0, 16)
    assert {headers["Authorization"] for _, headers, _ in server.requests} == {f"Bearer {KEY}"}


def test_it_stops_listening_once_the_model_says_not_found(tokenizer: Tokenizer, prompt: Prompt, caplog: pytest.LogCaptureFixture) -> None:
    def endless(handler: Handler) -> None:
        handler.begin()
        handler.delta(f"{NOT_FOUND}.")
        for _ in range(1000):
            handler.delta(" And more.")
            time.sleep(0.01)

    with scripted(endless) as server:
        done = done_of(events := ask(scripted_engine(server, tokenizer), prompt))
        assert server.gone.wait(5)
    assert (done.found, done.answer, said(events), done.confidence) == (False, "", "", 0.0)
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_it_asks_nobody_where_nothing_can_be_found(tokenizer: Tokenizer, prompt: Prompt, long_prompt: Prompt) -> None:
    with scripted(says("x")) as server:
        engine = scripted_engine(server, tokenizer, context=1024)
        blank, unlike = done_of(ask(engine, prompt, " \n")), done_of(ask(engine, long_prompt, "xylophone"))
        assert (blank.found, unlike.found, unlike.usage.read_tokens) == (False, False, 0)
        assert not server.chats()


def test_it_reads_as_many_passages_as_it_is_told_to(tokenizer: Tokenizer, prompt: Prompt) -> None:
    with scripted(says("x")) as server:
        options = AnswerOptions(read_chunks=1, threshold=0.5)
        done = done_of(ask(scripted_engine(server, tokenizer), prompt, options=options))
        assert (done.mode, done.usage.read_chunks, done.found, done.answer) == (PASSAGES, 1, False, "")
        assert server.chats()[0]["max_tokens"] == 1024


def test_it_marks_an_answer_that_was_cut(tokenizer: Tokenizer, prompt: Prompt) -> None:
    assert done_of(answer_of(tokenizer, prompt, says("The rent is", reason="length"))[0]).answer == "The rent is …"


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_it_tries_again_where_the_server_is_busy(tokenizer: Tokenizer, prompt: Prompt, code: int) -> None:
    events, server = answer_of(tokenizer, prompt, status(code), status(code, Retry_After="0"), says("Fine."))
    assert (done_of(events).answer, len(server.chats())) == ("Fine.", 3)


def test_it_tries_again_where_the_connection_broke_before_anything_came(tokenizer: Tokenizer, prompt: Prompt) -> None:
    def hang_up(handler: Handler) -> None:
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    events, server = answer_of(tokenizer, prompt, hang_up, says("Fine."))
    assert (done_of(events).answer, len(server.chats())) == ("Fine.", 2)


def cut(handler: Handler) -> None:
    handler.begin()
    handler.delta("The rent is ")


def failing(handler: Handler) -> None:
    cut(handler)
    handler.event({"error": {"message": "CUDA out of memory", "code": 500}})


def filtered(handler: Handler) -> None:
    cut(handler)
    handler.ended("content_filter")


def garbled(handler: Handler) -> None:
    cut(handler)
    handler.write(b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n')


def endless_line(handler: Handler) -> None:
    cut(handler)
    handler.write(b"data: " + b"x" * (3 << 20))


@pytest.mark.parametrize("reply", [cut, failing, filtered, garbled, endless_line])
def test_it_says_that_an_answer_is_not_whole_and_does_not_ask_again(
    tokenizer: Tokenizer, prompt: Prompt, reply: Callable[[Handler], None]
) -> None:
    with scripted(reply) as server:
        events = ask(scripted_engine(server, tokenizer), prompt)
        message = failure(events, server.url.split("/")[2])
    assert "not the whole answer" in message
    assert ("CUDA out of memory" in message) is (reply is failing)
    assert len(server.chats()) == 1
    assert said(events).startswith("The rent is")


CURES = {
    "401": (status(401), 1, "LONGREAD_ENGINE_KEY"),
    "403": (status(403), 1, "LONGREAD_ENGINE_KEY"),
    "no path": (status(404, {"detail": "Not Found"}), 1, "end with /v1"),
    "no model": (status(404, {"error": {"message": "The model `x` does not exist."}}), 1, "LONGREAD_ENGINE_MODEL"),
    "redirect": (status(307, Location="http://127.0.0.1:9/v1"), 1, "final address"),
    "400": (status(400, {"error": {"message": "bad\nwords\x1b[31m"}}), 1, "(400). It says: bad words"),
    "ollama": (status(400, {"error": "bad words"}), 1, "It says: bad words"),
    "busy": (status(429), 3, "too many requests"),
    "far too busy": (status(503, Retry_After="3000"), 1, "a little later"),
    "not json": (lambda handler: handler.raw(b"<html>hello</html>"), 1, "none that can be read"),
    "empty": (lambda handler: handler.raw(b""), 1, "none that can be read"),
    "vllm too long": (
        status(400, {"error": {"message": "This model's maximum context length is 512 tokens. However, you requested 600 tokens."}}),
        2,
        "LONGREAD_ENGINE_CONTEXT",
    ),
    "sglang too long": (
        status(400, {"object": "error", "message": "The input (900 tokens) is longer than the model's context length (512 tokens)."}),
        2,
        "LONGREAD_ENGINE_CONTEXT",
    ),
}


@pytest.mark.parametrize("case", CURES)
def test_it_says_what_to_do_and_tries_only_what_may_help(tokenizer: Tokenizer, prompt: Prompt, case: str) -> None:
    reply, tries, cure = CURES[case]
    with scripted(reply) as server:
        message = failure(ask(scripted_engine(server, tokenizer), prompt), server.url.split("/")[2])
        assert cure in message
        assert "\x1b" not in message
        assert len(server.chats()) == tries


def test_it_tells_an_error_that_comes_inside_a_good_stream(tokenizer: Tokenizer, prompt: Prompt) -> None:
    def reply(handler: Handler) -> None:
        handler.begin()
        handler.event({"error": {"message": "This model's maximum context length is 99 tokens."}})

    with scripted(reply, says("Fine.")) as server:
        assert done_of(ask(scripted_engine(server, tokenizer), prompt)).answer == "Fine."
        first, second = (len(body["messages"][1]["content"]) for body in server.chats())
        assert second < first


def test_it_says_that_a_model_only_thought(tokenizer: Tokenizer, prompt: Prompt) -> None:
    for pieces in ((), ("<think>Let me see. ",)):
        with scripted(says(*pieces, reason="length")) as server:
            assert "thought until" in failure(ask(scripted_engine(server, tokenizer), prompt), server.url.split("/")[2])


def test_it_says_that_the_context_holds_no_passage(tokenizer: Tokenizer, prompt: Prompt) -> None:
    with scripted(says("x")) as server:
        events = ask(scripted_engine(server, tokenizer, context=300), prompt)
        assert "too small a context" in failure(events, server.url.split("/")[2])
        assert not server.chats()


def test_it_does_not_wait_for_ever_for_the_first_word(tokenizer: Tokenizer, prompt: Prompt) -> None:
    before = time.perf_counter()
    with scripted(silent(3.0)) as server:
        assert "silent for too long" in failure(ask(scripted_engine(server, tokenizer), prompt), server.url.split("/")[2])
        assert time.perf_counter() - before < 2.5
        assert len(server.chats()) == 1


def test_it_does_not_listen_for_ever(tokenizer: Tokenizer, prompt: Prompt, caplog: pytest.LogCaptureFixture) -> None:
    def drip(handler: Handler) -> None:
        handler.begin()
        for _ in range(1000):
            handler.write(b": keep-alive\n\n")
            time.sleep(0.05)

    with scripted(drip) as server:
        engine = RemoteEngine(ServerAddress(server.url), tokenizer, Patience(silence_s=5, whole_s=0.5))
        assert "took too long" in failure(ask(engine, prompt), server.url.split("/")[2])
        assert server.gone.wait(5)
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_it_warns_where_the_server_seems_to_cut_what_it_reads(
    tokenizer: Tokenizer, long_prompt: Prompt, caplog: pytest.LogCaptureFixture
) -> None:
    with scripted(says("Fine.")) as server:
        ask(scripted_engine(server, tokenizer), long_prompt)
    assert any("LONGREAD_ENGINE_CONTEXT" in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


def test_it_hangs_up_when_the_answer_is_stopped(tokenizer: Tokenizer, prompt: Prompt, caplog: pytest.LogCaptureFixture) -> None:
    with scripted(silent(0.0)) as server:
        events = scripted_engine(server, tokenizer).answer(prompt, QUESTION)
        next(event for event in events if isinstance(event, Token) and event.text)
        events.close()  # type: ignore[attr-defined]
        assert server.gone.wait(5)
        assert list(events) == []
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_it_can_be_stopped_before_the_first_word(tokenizer: Tokenizer, prompt: Prompt, caplog: pytest.LogCaptureFixture) -> None:
    with scripted(silent(2.0)) as server:
        events = RemoteEngine(ServerAddress(server.url), tokenizer).answer(prompt, QUESTION)
        before = time.perf_counter()
        next(event for event in events if event == Token(""))
        events.close()  # type: ignore[attr-defined]
        assert time.perf_counter() - before < 1.5
        assert server.gone.wait(5)
    assert not [record for record in caplog.records if record.name == "asyncio"]


UNREACHABLE = {
    "refused": ("http://127.0.0.1:1/v1", "refuses the connection"),
    "unknown": ("http://no-such-host.invalid/v1", "no machine of that name"),
    "empty name": ("http://a..b/v1", "LONGREAD_ENGINE_URL"),
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_it_says_that_the_server_cannot_be_reached(
    tokenizer: Tokenizer, prompt: Prompt, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if case == "unknown":
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url, words = UNREACHABLE[case]
    events = ask(RemoteEngine(ServerAddress(url, KEY), tokenizer, QUICK), prompt)
    assert isinstance(events[0], Located)
    message = failure(events, url.split("/")[2])
    assert words in message
    assert "LONGREAD_ENGINE_URL" in message


def test_it_says_that_a_server_without_tls_speaks_none(tokenizer: Tokenizer, prompt: Prompt) -> None:
    with scripted(says("x")) as server:
        engine = RemoteEngine(ServerAddress(server.url.replace("http:", "https:")), tokenizer, QUICK)
        assert "http:// or https://" in failure(ask(engine, prompt), server.url.split("/")[2])


CONTEXTS = {
    "vllm": ({"id": "a", "max_model_len": 9000}, 9000),
    "ollama": ({"id": "a", "owned_by": "library"}, OLLAMA_CONTEXT),
    "llama.cpp without props": ({"id": "a", "owned_by": "llamacpp", "meta": {"n_ctx_train": 7000}}, 7000),
    "unknown": ({"id": "a", "max_model_len": "many"}, DEFAULT_CONTEXT),
}


@pytest.mark.parametrize("case", CONTEXTS)
def test_it_learns_the_context_where_the_server_says_it(tokenizer: Tokenizer, case: str) -> None:
    entry, context = CONTEXTS[case]

    def models(handler: Handler) -> None:
        handler.json({"object": "list", "data": [entry]}) if handler.path == "/v1/models" else handler.json({}, 404)

    with scripted(says("x")) as server:
        server.models = models
        assert scripted_engine(server, tokenizer)._described().context == context
        assert scripted_engine(server, tokenizer, model="b", context=77)._described() == type(
            scripted_engine(server, tokenizer)._described()
        )("b", 77)


@pytest.mark.parametrize(
    ("told", "cure"),
    [
        ({"data": []}, "LONGREAD_ENGINE_MODEL"),
        (["x"], "LONGREAD_ENGINE_MODEL"),
        ("<html>", "end with /v1"),
        ({"data": [{"id": 5}]}, "LONGREAD_ENGINE_MODEL"),
    ],
)
def test_it_says_that_a_server_names_no_model(tokenizer: Tokenizer, told: object, cure: str) -> None:
    with scripted(says("x")) as server:
        server.models = lambda handler: handler.raw(told.encode()) if isinstance(told, str) else handler.json(told)
        with pytest.raises(EngineError, match=cure):
            scripted_engine(server, tokenizer).status()


def test_it_keeps_owners_apart_where_the_server_can(tokenizer: Tokenizer, prompt: Prompt) -> None:
    with scripted(says("x")) as server:
        server.models = lambda handler: handler.json({"data": [{"id": "a", "owned_by": "vllm", "max_model_len": 4096}]})
        engine = scripted_engine(server, tokenizer)
        for salt in ("alice", "alice", "bob"):
            ask(engine, replace(prompt, salt=salt))
        salts = [body["cache_salt"] for body in server.chats()]
    assert salts[0] == salts[1] != salts[2]
    assert not any("alice" in salt or not salt.isalnum() for salt in salts)


def test_it_asks_the_server_about_itself_once_in_a_while(tokenizer: Tokenizer, prompt: Prompt) -> None:
    with scripted(says("x")) as server:
        engine = scripted_engine(server, tokenizer)
        ask(engine, prompt)
        ask(engine, prompt)
        assert sum(path == "/v1/models" for path, _, _ in server.requests) == 1


def test_it_has_nothing_to_prefill_or_to_forget(tokenizer: Tokenizer, prompt: Prompt) -> None:
    engine = RemoteEngine(ServerAddress("http://127.0.0.1:1/v1"), tokenizer)
    with closing(engine.prefill(prompt, deadline=0.0)) as events:
        assert list(events) == []
    engine.forget([document.id for document in prompt.documents], prompt.salt)
    engine.close()
    (first, *_) = engine.locate(prompt, QUESTION)
    assert (first.chunk, first.likelihood) == (1, None)
