"""What Scout Mini is trained on: tasks cut from documents, and examples put as the engine puts them when it answers."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.chat_format import ChatFormat
from engine.composed import SYSTEM
from engine.passages import NOT_FOUND, Passages, messages
from engine.places import Texts
from engine.tokenizer import Tokenizer
from tests.engine.prompts import make_prompt
from tests.training.scout import save_base
from training.read_sources import HELD
from training.scan_sources import Document, Question
from training.scout_code import asked
from training.scout_data import held_back, spoiled
from training.scout_format import ANSWER_WEIGHT, Format, Shown, Told
from training.scout_library import Library, Making
from training.scout_mixture import KEEP, KEEP_TOKENS, Mixture, Shares
from training.scout_noise import noisy
from training.scout_pack import Example

FILLER = "Nothing else was agreed between them on that day, and both went home. "
RENT, HEAT = "The rent is 900 crowns a month.", "Heating costs 70 crowns a month."


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer.open(save_base(tmp_path_factory.mktemp("base"), layers=1))


def lease() -> Document:
    text = f"{FILLER * 30}\n\n{RENT}\n\n{FILLER * 30}\n\n{HEAT}\n\n{FILLER * 30}"
    money = Question(("How much is paid each month?",), tuple((text.index(words), text.index(words) + 9) for words in ("900", "70 cro")))
    return Document("leases", "lease.pdf", text, (money, Question(("Who is the agent?",), ())), closed=True, paged=True)


def story(source: str = "stories") -> Document:
    text = f"{FILLER * 12}\n\nPetra found the letter. {FILLER * 12}"
    return Document(
        source, "story.txt", text, (Question(("Who found the letter?",), ((text.index("Petra"), text.index("Petra") + 5),)),), closed=False
    )


@pytest.fixture(scope="module")
def library(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Library:
    making = Making(tokenizer, random.Random(1), tmp_path_factory.mktemp("scratch"))
    making.add_source([lease()])
    making.add_source([story()])
    making.add_plain(Document("plain", "walk.txt", FILLER * 200, (), closed=False))
    return making.done()


def mixture(library: Library, tokenizer: Tokenizer, tokens: int = 6000, **changes: object) -> Mixture:
    return Mixture(library, tokenizer, 7, tokens, 8192, replace(Shares(), **changes))  # type: ignore[arg-type]


def test_tasks_know_the_words_that_answer_and_the_sentence_to_quote(library: Library, tokenizer: Tokenizer) -> None:
    money, agent, letter = library.tasks
    quotes = [tokenizer.decode(library.chunk(gold.chunk)[gold.first : gold.end].tolist()).strip() for gold in (*money.golds, *letter.golds)]
    assert quotes == [RENT, HEAT, "Petra found the letter."]
    answers = [tokenizer.decode(list(gold.answer)).strip() for gold in (*money.golds, *letter.golds)]
    assert answers == ["900 crown", "70 crowns", "Petra"]
    assert {gold.chunk for gold in money.golds} <= set(money.barred)
    assert (agent.golds, agent.barred) == ((), ())


def shown(tokenizer: Tokenizer, tmp_path: Path) -> tuple[list[Shown], Passages, Texts]:
    prompt = make_prompt(tmp_path, tokenizer, {"one": ["The café opened.\n", "It closed.\n"], "two": ["Zoë left.\n"]})
    passages = Passages(prompt)
    return [Shown(each.chunk.ids, each.chunk.header_tokens, each.number) for each in passages.all()], passages, Texts(prompt)


def test_examples_are_put_as_the_engine_puts_them(tokenizer: Tokenizer, tmp_path: Path) -> None:
    chunks, passages, texts = shown(tokenizer, tmp_path)
    made, chat = Format(tokenizer), ChatFormat(tokenizer)
    opens = len(chunks[0].ids)
    told = [Told(tuple(tokenizer.encode(" opened").tolist()), 0, chunks[0].header_tokens, opens)]
    composed = made.asked("read", "composed", chunks, " Who  opened?", told)
    assert np.array_equal(composed.runs[0], chat.before(SYSTEM))
    assert [run.tolist() for run in composed.runs[1:-1]] == [each.ids.tolist() for each in chunks]
    reply = [*tokenizer.encode(" opened <quote>The café opened.\n</quote>").tolist(), chat.end]
    question = chat.after("\n\nQuestion: Who opened?")
    assert composed.runs[-1].tolist()[: len(question)] == question.tolist()
    assert tokenizer.decode(composed.runs[-1].tolist()[len(question) :]) == tokenizer.decode(reply)
    assert not composed.weights[: len(question)].any()
    assert (composed.weights[len(question) :] > 0).all()
    joined = made.asked("read", "joined", chunks, "Who opened?", [])
    window = chat.turns([(turn["role"], turn["content"]) for turn in messages(passages.all(), texts, tokenizer, "Who opened?")])  # type: ignore[misc]
    assert joined.runs[0].tolist() == [*window.tolist(), *tokenizer.encode(NOT_FOUND).tolist(), chat.end]
    assert (joined.weights[len(window) :] == ANSWER_WEIGHT).all()
    assert (composed.asks, joined.asks) == (True, False)


def test_the_same_seed_and_step_give_the_same_pack_of_just_so_many_tokens(library: Library, tokenizer: Tokenizer) -> None:
    one, other = (mixture(library, tokenizer) for _ in range(2))
    packs = [one.pack(step, 0.5) for step in range(4)]
    assert [pack.tokens for pack in packs] == [6000] * 4
    again = other.pack(2, 0.5)
    assert all(np.array_equal(getattr(packs[2], name), getattr(again, name)) for name in again.__slots__)
    assert not np.array_equal(packs[1].ids, packs[2].ids)
    assert {one.kinds[kind] for pack in packs for kind in np.unique(pack.kinds)} >= {"read", KEEP}


def replies(mixture: Mixture, tokenizer: Tokenizer, kind: str, count: int = 60, progress: float = 0.2) -> list[tuple[Example, str]]:
    random_ = random.Random(3)
    drawn = [mixture._asked(kind, random_, progress, 6000) for _ in range(count)]
    examples = [each for each in drawn if each is not None]
    return [(each, tokenizer.decode(each.runs[-1][each.weights > 0].tolist())) for each in examples]


@pytest.mark.parametrize("kind", ["read", "needle", "lookup"])
def test_every_quote_stands_in_a_chunk_and_a_third_is_not_there(library: Library, tokenizer: Tokenizer, kind: str) -> None:
    found = replies(mixture(library, tokenizer, joined=0.0), tokenizer, kind)
    absent = [reply.startswith(NOT_FOUND) for _, reply in found]
    assert 0.15 < np.mean(absent) < 0.5
    for example, reply in found:
        texts = [tokenizer.decode(run.tolist()) for run in example.runs[1:-1]]
        quotes = [part.split("</quote>")[0] for part in reply.split("<quote>")[1:]]
        assert bool(quotes) != reply.startswith(NOT_FOUND)
        assert all(any(quote in text for text in texts) for quote in quotes)
    assert any(reply.count("<quote>") == 2 for _, reply in found) == (kind == "read")


def test_there_are_more_chunks_as_training_goes_on(library: Library, tokenizer: Tokenizer) -> None:
    made = mixture(library, tokenizer, joined=0.0)
    few, many = ([len(each.runs) - 2 for each, _ in replies(made, tokenizer, "lookup", progress=progress)] for progress in (0.0, 1.0))
    assert max(few) <= 2
    assert max(many) > 6
    assert Counter(few)[1] > 10


def test_what_does_not_fit_is_not_cut(library: Library, tokenizer: Tokenizer) -> None:
    assert mixture(library, tokenizer)._asked("read", random.Random(1), 1.0, 100) is None
    keeping = mixture(library, tokenizer, tokens=KEEP_TOKENS + 50, kinds={KEEP: 1.0}).pack(0, 0.0)
    assert keeping.tokens == KEEP_TOKENS + 50


def test_the_same_documents_are_held_back_as_from_the_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [replace(story("covid"), name=f"paper {number}") for number in range(9)]
    monkeypatch.setattr("training.scout_data.documents", lambda *_: found)
    held = held_back(Path("anywhere"))
    assert [held("covid", each.name) for each in found] == [True] * HELD["covid"] + [False] * (9 - HELD["covid"])
    assert not held("wikipedia", "paper 0")
    assert 0.02 < np.mean([held("plain", f"novel {number}") for number in range(400)]) < 0.08


def test_a_bad_scan_says_where_each_character_went() -> None:
    text = f"{RENT} I will be in 1001 small rooms. " * 60
    found, moved = noisy(text, random.Random(1))
    assert found != text
    assert (len(moved), moved[-1]) == (len(text) + 1, len(found))
    kept = [place for place, character in enumerate(text) if found[moved[place] : moved[place + 1]] == character]
    assert 0.98 < len(kept) / len(text) < 1
    document = next(each for seed in range(99) if (each := spoiled(lease(), random.Random(seed))).text != lease().text)
    (start, end), *_ = document.questions[0].spans
    assert len(document.text[start:end]) >= 8


def test_questions_about_code_point_at_definitions() -> None:
    text = (
        'import os\n\n\ndef folded(text):\n    """Fold the text at the given width.\n\n    More.\n    """\n\n\nclass A:\n    """Short."""\n'
    )
    (question,) = asked(text)
    assert question.wordings[0] == "Which function is there for this: Fold the text at the given width?"
    assert [text[start:end] for start, end in question.spans] == ["folded"]
    assert list(asked("def broken(:")) == []
