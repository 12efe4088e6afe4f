"""Free answers by small random chat models, and by the base model: what is read, written, kept, and searched in the source.

A random model says nothing that means anything, so where words matter they are put into its mouth, token by token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.asked import Asked
from engine.citing import ALL_VERIFIED, NONE_VERIFIED, SOME_VERIFIED
from engine.engine import Engine
from engine.errors import EngineError
from engine.events import AnswerEvent, AnswerOptions, Done, Failed, Located, Quote, Token
from engine.free import FreeWay
from engine.generate import pick
from engine.joined import Joined
from engine.passages import NOT_FOUND
from engine.prompt import Prompt
from tests.engine.fed import Fed
from tests.engine.models import save_model
from tests.engine.prompts import make_prompt

NEEDLE = "The café was founded in 1987 by Zoë Müller in Düsseldorf."
BODIES = [
    "Crème brûlée is served on Sundays. The naïve waiter never writes anything down.\n\n",
    f"{NEEDLE} It sold pastries to élite customers.\n\n",
    "The annual rent is 12,400 euros, payable in advance. The landlord may raise it by 2%.\n\n",
]
QUESTION, SECOND = "Who founded the café?", "How much is the annual rent?"
FEW = AnswerOptions(max_tokens=24)
FAMILIES = ("llama4_text", "llama", "smollm3")


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def opened(family: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, torch.nn.Module]]:
    """Our engine over a folder, in fp32, and transformers' model of the same folder."""
    folder = tmp_path_factory.mktemp(family)
    theirs = save_model(family, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.opening.placement", lambda _: (torch.device("cpu"), torch.float32))
        engine = Engine.open(folder, folder / "store")
    yield engine, theirs
    engine.close()


@pytest.fixture
def chat(opened: tuple[Engine, torch.nn.Module]) -> Engine:
    return opened[0]


@pytest.fixture
def prompt(chat: Engine, tmp_path: Path) -> Prompt:
    """Of an owner of this test alone, so that nothing is kept of it before."""
    return make_prompt(tmp_path, chat.tokenizer, {"guide": BODIES}, salt=str(tmp_path))


@pytest.fixture
def say(chat: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the model say these words and end."""

    def say(words: str) -> None:
        script = iter([*chat.tokenizer.encode(words).tolist(), chat.chat.end])
        monkeypatch.setattr("engine.generate.pick", lambda *_: next(script))

    return say


def ask(engine: Engine, prompt: Prompt, question: str = QUESTION, options: AnswerOptions = FEW) -> list[AnswerEvent]:
    return list(engine.answer(prompt, question, options=options))


def done_of(events: list[AnswerEvent]) -> Done:
    assert isinstance(events[-1], Done), events[-1]
    return events[-1]


def window(engine: Engine, prompt: Prompt, question: str = QUESTION) -> np.ndarray:
    asked = Asked(prompt, question, FEW)
    way = engine._way
    assert isinstance(way, FreeWay)
    showing = way._showing
    assert isinstance(showing, Joined)
    return showing.window(asked, way._passages(asked, [], 24)).ids


def test_it_speaks_in_order_and_ends_once(chat: Engine, prompt: Prompt) -> None:
    events = ask(chat, prompt)
    kinds = [{Located: 0, Token: 1, Quote: 1, Done: 2}[type(event)] for event in events]
    assert kinds == sorted(kinds)
    assert (kinds.count(2), {0, 1} <= set(kinds)) == (1, True)
    done = done_of(events)
    assert (done.mode, done.model, chat.status().mode) == ("joined", chat.name, "joined")
    assert "".join(event.text for event in events if isinstance(event, Token)).strip() == done.answer
    assert (done.usage.read_chunks, done.usage.chunks) == (3, 3), "a small prompt is read whole"
    text = prompt.documents[0].text()
    assert all(text[event.start_char : event.end_char] == event.text for event in events if isinstance(event, Quote) and event.verified)


def test_it_writes_the_tokens_that_transformers_writes(
    opened: tuple[Engine, torch.nn.Module], prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, theirs = opened
    ours: list[int] = []
    monkeypatch.setattr("engine.generate.pick", lambda *given: ours.append(pick(*given)) or ours[-1])
    ask(engine, prompt)
    ids = torch.from_numpy(window(engine, prompt))[None].long()
    ends = sorted({*engine.chat.ends, *engine.decoder.config.end_tokens})
    expected = theirs.generate(ids, max_new_tokens=24, do_sample=False, eos_token_id=ends, pad_token_id=0)  # type: ignore[operator]
    assert len(ours) > 8
    assert ours == expected[0, ids.shape[1] :].tolist()


def test_it_verifies_quotes_and_marks_them(chat: Engine, prompt: Prompt, say: Callable[[str], None]) -> None:
    say(f"Zoë Müller. <quote 2>{NEEDLE}</quote> In 1990.<quote 1>It was founded in 1990.</quote>")
    events = ask(chat, prompt, options=AnswerOptions())
    verified, invented = [event for event in events if isinstance(event, Quote)]
    assert (verified.text, verified.verified, invented.verified) == (NEEDLE, True, False)
    assert prompt.documents[0].text()[verified.start_char : verified.end_char] == NEEDLE
    done = done_of(events)
    assert (done.answer, done.found, done.confidence) == ("Zoë Müller. [1] In 1990. [2]", True, SOME_VERIFIED)
    assert 0 < done.timings.prefill_s <= done.timings.first_token_s <= done.timings.total_s


def test_it_says_nothing_where_the_model_finds_nothing(chat: Engine, prompt: Prompt, say: Callable[[str], None]) -> None:
    say(f"{NOT_FOUND} and so on and so on")
    events = ask(chat, prompt, options=AnswerOptions())
    assert {type(event) for event in events} == {Located, Done}
    assert (done_of(events).found, done_of(events).answer) == (False, "")


def test_it_shows_that_an_answer_was_cut(chat: Engine, prompt: Prompt, say: Callable[[str], None]) -> None:
    say("one two three four five six seven eight nine ten eleven twelve")
    assert done_of(ask(chat, prompt, options=AnswerOptions(max_tokens=6))).answer.endswith(" …")


@pytest.mark.parametrize("question", ["", " \n"])
def test_it_does_not_run_the_model_for_no_question(chat: Engine, prompt: Prompt, question: str) -> None:
    fed = Fed(chat.decoder)
    assert [type(event) for event in ask(chat, prompt, question)] == [Done]
    assert not done_of(ask(chat, replace(prompt, documents=()))).found
    assert fed.take() == 0


def test_a_second_question_over_the_same_passages_reads_only_its_own_tokens(
    chat: Engine, prompt: Prompt, say: Callable[[str], None]
) -> None:
    fed = Fed(chat.decoder)
    for question in (QUESTION, SECOND):
        say("yes")
        ask(chat, prompt, question)
        if question == QUESTION:
            first = fed.take()
    second = fed.take()
    own = len(chat.tokenizer.encode(SECOND)) + 12  # the marks that open the reply, and the answer's own tokens
    assert first > len(window(chat, prompt)) - 1
    assert second <= own < first // 4
    say("yes")
    ask(chat, replace(prompt, salt="bob"), SECOND)
    assert fed.take() > first // 2, "another owner's is not used"
    chat.forget([document.id for document in prompt.documents], prompt.salt)
    say("yes")
    ask(chat, prompt, SECOND)
    assert fed.take() > first // 2, "what is forgotten is read again"


def test_it_answers_the_same_from_what_is_kept_as_without(chat: Engine, prompt: Prompt) -> None:
    cold = done_of(ask(chat, prompt, SECOND)).answer
    ask(chat, replace(prompt, salt="carol"), QUESTION)
    assert done_of(ask(chat, replace(prompt, salt="carol"), SECOND)).answer == cold


def test_it_answers_two_questions_at_once_as_each_alone(chat: Engine, prompt: Prompt) -> None:
    alone = [done_of(ask(chat, replace(prompt, salt="alone"), question)).answer for question in (QUESTION, SECOND)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda question: done_of(ask(chat, replace(prompt, salt="both"), question)).answer, (QUESTION, SECOND)))
    assert together == alone


def test_it_stops_when_the_iterator_is_closed(chat: Engine, prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    word = int(chat.tokenizer.encode("word")[0])
    monkeypatch.setattr("engine.generate.pick", lambda *_: word)
    events = chat.answer(prompt, QUESTION, options=AnswerOptions(max_tokens=400))
    assert next(event for event in events if isinstance(event, Token))
    events.close()  # type: ignore[attr-defined]
    end = time.monotonic() + 10
    while chat.status().answers_running:
        assert time.monotonic() < end
    fed = Fed(chat.decoder)
    assert chat.status().answers_running == fed.take() == 0


def test_it_stores_nothing_ahead(chat: Engine, prompt: Prompt) -> None:
    assert list(chat.prefill(prompt)) == []
    assert chat.status().store_chunks == 0


def test_it_locates_by_words(chat: Engine, prompt: Prompt) -> None:
    best = chat.locate(prompt, QUESTION)[0]
    assert (best.text, best.likelihood) == (BODIES[1], None)


def test_it_takes_the_best_passages_of_a_prompt_that_does_not_fit(chat: Engine, tmp_path: Path, say: Callable[[str], None]) -> None:
    filler = [f"Chapter {number} is about gardens, rivers and the weather of that year.\n\n" * 6 for number in range(40)]
    long = make_prompt(tmp_path / "long", chat.tokenizer, {"book": [*filler[:20], BODIES[1], *filler[20:]]}, salt="long")
    say(f"Her. <quote 21>{NEEDLE}</quote>")
    events = ask(chat, long, "Which year was the café founded by Zoë?", AnswerOptions())
    done = done_of(events)
    assert (done.found, done.confidence) == (True, ALL_VERIFIED)
    assert 1 < done.usage.read_chunks < done.usage.chunks
    assert done.usage.read_tokens < chat.decoder.config.context
    say("Her.")
    assert done_of(ask(chat, long, "Which year was the café founded by Zoë?", AnswerOptions(read_chunks=1))).usage.read_chunks == 1


def test_it_fails_in_words_where_no_passage_fits(chat: Engine, tmp_path: Path) -> None:
    huge = make_prompt(tmp_path / "huge", chat.tokenizer, {"book": [NEEDLE * 200]})
    (last,) = [event for event in ask(chat, huge) if not isinstance(event, Located)]
    assert isinstance(last, Failed)
    assert "2,048 tokens at a time" in last.message


def test_it_fails_in_words_for_a_prompt_of_another_model(chat: Engine, prompt: Prompt, tmp_path: Path) -> None:
    document = prompt.documents[0]
    foreign = replace(prompt, documents=(replace(document, ids=document.ids + np.int32(100_000)),))
    gone = replace(prompt, documents=(replace(document, text_path=tmp_path / "gone.txt"),))
    for broken in (foreign, gone):
        [*_, last] = ask(chat, broken)
        assert isinstance(last, Failed)
        assert "again" in last.message


def test_it_has_no_calibrated_scores(chat: Engine) -> None:
    with pytest.raises(EngineError, match="its own words"):
        chat.find(QUESTION, [])


def test_it_replies_to_a_message_alone(opened: tuple[Engine, torch.nn.Module]) -> None:
    engine, theirs = opened
    ids = torch.from_numpy(engine.chat.chat("Hello")).long()[None]
    ends = sorted({*engine.chat.ends, *engine.decoder.config.end_tokens})
    expected = theirs.generate(ids, max_new_tokens=12, do_sample=False, eos_token_id=ends, pad_token_id=0)  # type: ignore[operator]
    new = [id for id in expected[0, ids.shape[1] :].tolist() if id not in ends]
    whole = b"".join(map(engine.tokenizer.token_bytes, new)).decode(errors="replace")
    said = "".join(token.text for token in engine.reply("Hello", max_tokens=12))
    assert whole.startswith(said)
    assert len(whole) - len(said) <= 1, "at most a character that was cut"


@pytest.mark.weights
def test_the_base_model_answers_freely_in_plain_text(weights_folder: Path, tmp_path: Path) -> None:
    engine = Engine.open(weights_folder, tmp_path / "store", reading="free")
    prompt = make_prompt(tmp_path / "prompt", engine.tokenizer, {"guide": BODIES})
    events = ask(engine, prompt, options=AnswerOptions(max_tokens=60))
    done, text = done_of(events), prompt.documents[0].text()
    assert "Zoë Müller" in done.answer
    assert done.confidence in (NONE_VERIFIED, SOME_VERIFIED, ALL_VERIFIED)
    assert "<|" not in done.answer
    assert all(text[event.start_char : event.end_char] == event.text for event in events if isinstance(event, Quote) and event.verified)
    engine.close()
