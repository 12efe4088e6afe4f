"""The engine's face over a real llama.cpp server. The model is too small to obey; what is asserted holds whatever it says."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from engine.asked import PASSAGES, WHOLE
from engine.events import Done, Located, Token
from engine.prompt import Prompt
from engine.remote.address import ServerAddress
from engine.remote.completion import completion
from engine.remote.connection import Connection, Patience
from engine.remote.engine import RemoteEngine
from engine.tokenizer import Tokenizer
from tests.engine.remote.asking import KEY, QUESTION, SHORT, ask, done_of, failure, said
from tests.remote_server import llama_cpp

pytestmark = pytest.mark.weights

CONTEXT = 1024


@pytest.fixture(scope="module")
def llama(weights_folder: Path) -> Iterator[str]:
    with llama_cpp(weights_folder, CONTEXT, KEY) as url:
        yield url


@pytest.fixture(scope="module")
def remote(llama: str, tokenizer: Tokenizer) -> RemoteEngine:
    return RemoteEngine(ServerAddress(llama, KEY), tokenizer)


def test_it_tells_the_servers_model_and_context(remote: RemoteEngine, llama: str) -> None:
    told = remote.status()
    assert (told.model, told.device, told.store_bytes) == ("smollm2", llama.split("/")[2], 0)
    assert remote.name == "smollm2"
    assert remote._described().context == CONTEXT


def test_it_streams_an_answer_from_the_whole_prompt(remote: RemoteEngine, prompt: Prompt) -> None:
    events, arrived = [], []
    for event in remote.answer(prompt, QUESTION, options=SHORT):
        events.append(event)
        arrived.append(time.perf_counter())
    done = done_of(events)
    kinds = [type(event) for event in events]
    assert kinds[0] is Located
    assert kinds.index(Token) > max(index for index, kind in enumerate(kinds) if kind is Located)
    assert kinds.count(Done) == 1
    words = [index for index, event in enumerate(events) if isinstance(event, Token) and event.text]
    assert len(words) > 3
    assert arrived[words[0]] < arrived[words[-1]] < arrived[-1]
    assert said(events).strip() == done.answer
    assert (done.mode, done.model, done.usage.read_tokens, done.usage.read_chunks) == (WHOLE, "smollm2", prompt.tokens, 3)
    assert done.timings.locate_s <= done.timings.first_token_s <= done.timings.total_s
    assert 0 < done.timings.prefill_s <= done.timings.first_token_s


def test_it_finds_the_prefix_again_for_another_question(remote: RemoteEngine, prompt: Prompt, caplog: pytest.LogCaptureFixture) -> None:
    ask(remote, prompt)
    caplog.clear()
    with caplog.at_level(logging.INFO, "engine.remote.engine"):
        ask(remote, prompt, "Who founded the café, and when?")
    (counted,) = [record.args for record in caplog.records if "from its cache" in record.msg]
    _, read, cached = counted
    assert read > 250
    assert cached > 0.85 * read, counted


def test_it_reads_located_passages_of_a_prompt_that_does_not_fit(remote: RemoteEngine, long_prompt: Prompt) -> None:
    done = done_of(ask(remote, long_prompt))
    assert done.mode == PASSAGES
    assert 0 < done.usage.read_tokens < CONTEXT < done.usage.prompt_tokens == long_prompt.tokens
    assert done.usage.read_chunks > 1


def test_it_sends_half_as_much_where_the_server_takes_less_than_was_said(llama: str, tokenizer: Tokenizer, long_prompt: Prompt) -> None:
    wrong, hopeless = (RemoteEngine(ServerAddress(llama, KEY, context=context), tokenizer) for context in (2000, 20_000))
    done = done_of(ask(wrong, long_prompt))
    assert (done.mode, done.usage.read_tokens > 300) == (PASSAGES, True)
    message = failure(ask(hopeless, long_prompt), llama.split("/")[2])
    assert "LONGREAD_ENGINE_CONTEXT" in message
    assert f"{CONTEXT} tokens" in message


def test_it_stops_the_server(remote: RemoteEngine, llama: str) -> None:
    """One slot: a request that went on would keep the next one waiting for as long as 900 tokens take."""
    counting = {"model": "smollm2", "messages": [{"role": "user", "content": "Count."}], "ignore_eos": True}
    connection = Connection(ServerAddress(llama, KEY), Patience())

    def seconds(most: int, pieces: int) -> float:
        before = time.perf_counter()
        with closing(completion(connection, counting | {"max_tokens": most})) as stream:
            list(islice(stream, pieces))
        return time.perf_counter() - before

    usual = seconds(40, 1000)
    seconds(900, 5)
    assert seconds(40, 1000) < 5 * usual


@pytest.mark.parametrize("key", ["", "wrong"])
def test_it_says_that_the_key_is_wrong(llama: str, tokenizer: Tokenizer, prompt: Prompt, key: str) -> None:
    engine = RemoteEngine(ServerAddress(llama, key, "smollm2", 1024), tokenizer)
    message = failure(ask(engine, prompt), llama.split("/")[2])
    assert "LONGREAD_ENGINE_KEY" in message
    assert "wrong" not in message


def test_it_says_that_the_path_is_wrong(llama: str, tokenizer: Tokenizer, prompt: Prompt) -> None:
    engine = RemoteEngine(ServerAddress(llama.replace("/v1", "/api"), KEY), tokenizer)
    assert "end with /v1" in failure(ask(engine, prompt), llama.split("/")[2])
